"""A small pipeline that really learns, steered by the shipped rules: players of board games.

`session.run_demo` is the whole of it; `pipeline.Pipeline` works without a daemon, a queue or a clock.
"""
