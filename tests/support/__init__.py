"""Builders that the tests tell their stories with."""
