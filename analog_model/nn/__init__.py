"""Neural networks whose layers run on analog arrays.

The public names stand in `__init__.pyi` and load on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
