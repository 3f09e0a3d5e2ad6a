"""Loops and input/output around the pure steps: local, backtest, dispatch, stores, wiring, metrics, logs."""
