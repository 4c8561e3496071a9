"""The only place that runs pytest or reads its traces."""
