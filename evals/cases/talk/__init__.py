"""Conversations of the suite "talk", written without sight of training lines or code; see `evals.cases.talk.sets`."""
