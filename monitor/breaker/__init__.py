"""Circuit breakers, one per layer of a workstation.

`window` counts, `machine` decides, `permit` locks, `hold` judges how a guarded call ended, `guard` wraps methods,
`registry` keeps one breaker per key.
"""
