"""The application's HTTP endpoints: asked for decisions, and told what happened.

Nothing is imported here: who has no endpoints shall not pay for an HTTP client.
"""
