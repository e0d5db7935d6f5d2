"""Hardware-aware modelling of time-domain analog multipliers.

The public names stand in `__init__.pyi` and load on first use, so that importing the
package costs nothing.
"""

import lazy_loader

from analog_model.version import __version__ as __version__

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
