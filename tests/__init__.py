"""The tests mirror the rooms; journeys/ are stories from log-in to verdict."""
