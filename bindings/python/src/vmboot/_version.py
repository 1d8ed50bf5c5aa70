# SPDX-License-Identifier: LGPL-2.1-or-later
"""The package's version, which is that of its library."""

__version__ = "0.1.0"
