"""Label for screen readers only, where what is chosen speaks for itself."""

from __future__ import annotations

UNSEEN_LABEL = """
.bk-input-group > label { position: absolute; width: 1px; height: 1px; overflow: hidden;
  clip-path: inset(50%); }
"""
