#!/bin/sh
# Answers git's questions for a user and a password from the environment of the landing step.
case "$1" in
  Username*) printf '%s\n' x-access-token ;;
  *) printf '%s\n' "$MOA_TOKEN" ;;
esac
