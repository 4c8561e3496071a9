"""What the plugin does once it is asked: plan, measure, judge, tell. Judges in the tests' own process: advice."""
