"""What the app's checks share: the tools, or the reason why they cannot be had."""

import pytest

from tests.demos.android import build
from tests.demos.android.tools import Tools
from tests.demos.tools import MissingToolError


@pytest.fixture(scope="session")
def tools():
    try:
        return Tools.find()
    except MissingToolError as error:
        pytest.skip(f"The Android app cannot be checked here: {error}")


@pytest.fixture(scope="session")
def app(tools):
    """The whole app's class files."""
    return build.app_classes(tools, build.MAIN / "java", build.linked(tools) / "classes")
