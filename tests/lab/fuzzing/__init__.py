# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile input for everything that reads what others have written: seeds, registries, records, exports, answers.

``targets`` says what reads what, and which errors are an answer; ``inputs`` makes inputs out of good ones and of words
that hurt; ``watch`` runs them in processes that may hang or die; ``python -m fuzzing`` is the command.
"""
