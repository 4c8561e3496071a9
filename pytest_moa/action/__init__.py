"""The face that the GitHub action shows: inputs to a call of `moa`, its answer to outputs. Judges nothing."""
