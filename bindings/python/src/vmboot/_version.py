# SPDX-License-Identifier: LGPL-2.1-or-later
"""The package's version: that of the library that it belongs to."""

__version__ = "0.1.0"
