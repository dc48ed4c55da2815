"""Exact rewrites of operators, or forms of them, that no target has into operators that both have."""
