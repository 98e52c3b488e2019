"""Compiles what turns pages into chunks, where there is a C compiler; without one the same modules run as Python, slower.

`compiled/` holds what only a compiled installation has: elements and token counts of its own, and the C types of other modules' classes.
An editable installation is not compiled: there what runs is what stands in src.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CCompilerError, ExecError, PlatformError, SetupError

SRC, COMPILED = Path("src"), Path("compiled")
FROM_SRC = (
    "convert.blocks", "convert.escape", "convert.tables", "convert.walk",
    "chunk", "chunking.assembly", "chunking.blocks", "chunking.context", "chunking.cuts", "chunking.pieces", "chunking.sections",
    "chunking.units",
)  # fmt: skip
OWN = ("cl100k", "convert.element", "convert.entities", "convert.mending", "convert.parsing", "convert.scan")
FLAGS = [] if sys.platform == "win32" else ["-O3", "-g0", "-Werror=incompatible-pointer-types", "-Werror=implicit-function-declaration"]


def extension(name: str, folder: Path, ending: str) -> Extension:
    return Extension(
        f"confluence_sync.{name}", [str(folder / "confluence_sync" / f"{name.replace('.', '/')}{ending}")], extra_compile_args=FLAGS
    )


class CompiledWhereItCan(build_ext):
    """All of it or nothing: the compiled modules rely on one another."""

    def run(self) -> None:
        if self.editable_mode:
            return
        if self.inplace:
            raise SetupError("compiled modules beside src would hide what is edited there: install the package instead")
        self._forget()
        try:
            self._compile()
        except (CCompilerError, ExecError, PlatformError, ImportError) as error:
            self.warn(f"nothing is compiled, so a first sync takes twice the CPU; a C compiler or Cython does not work: {error}")
            self._forget()
            self.extensions, self.distribution.ext_modules = [], []
            self.get_finalized_command("bdist_wheel").root_is_pure = True  # the name of a wheel says what is in it

    def _compile(self) -> None:
        from Cython.Build import cythonize

        self.parallel = os.cpu_count()
        made = cythonize(
            self.extensions,
            include_path=[str(COMPILED), str(SRC)],
            build_dir=self.build_temp,
            compiler_directives={"language_level": 3},
            nthreads=self.parallel,
        )
        sources = {one.name: one.sources for one in made}
        for one in self.extensions:
            one.sources = sources[one.name]
        super().run()

    def _forget(self) -> None:
        """Modules of an earlier build, or of one that broke off, would go into this one's package."""
        for made in Path(self.build_lib).rglob(f"*{self.get_ext_filename('')}"):
            made.unlink()


setup(
    ext_modules=[*(extension(name, SRC, ".py") for name in FROM_SRC), *(extension(name, COMPILED, ".pyx") for name in OWN)],
    cmdclass={"build_ext": CompiledWhereItCan},
)
