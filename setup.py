"""The packages of the wheel; everything else about it stands in pyproject.toml.

Templates, static files and translations stand beside the packages in the project, and below
`ligbox` where it is installed.
"""

from setuptools import find_packages, setup

TOP = ("ligbox", "audit", "collectors", "mock_tenant")
BESIDE = ("templates", "static", "locale")

setup(
    packages=[
        *find_packages(include=[*TOP, *(f"{name}.*" for name in TOP)]),
        *(f"ligbox.{name}" for name in BESIDE),
    ],
    package_dir={f"ligbox.{name}": name for name in BESIDE},
    package_data={"mock_tenant": ["*.toml"], **{f"ligbox.{name}": ["**/*"] for name in BESIDE}},
)
