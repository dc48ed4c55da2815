"""What the app's checks share: the tools, or the reason why they cannot be had."""

import pytest

from tests.demos.ios.tools import Tools
from tests.demos.tools import MissingToolError


@pytest.fixture(scope="session")
def tools():
    try:
        return Tools.find()
    except MissingToolError as error:
        pytest.skip(f"The iOS app cannot be checked here: {error}")
