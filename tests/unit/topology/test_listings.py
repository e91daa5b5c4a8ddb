"""In which generations' papers an address or a name is, in words."""

from __future__ import annotations

import pytest

from lab.topology import listings


@pytest.mark.parametrize(
    ("address", "own", "words"),
    [
        ("129.42.160.51", "hmc-2017-simplified", " (hmc-2017-traditional and ds8000-2017 list it: A-26)"),
        ("129.42.56.189", "hmc-2007", " (hmc-2017-simplified and ds8880 list it: A-11)"),
        ("8.8.8.8", "hmc-2007", ", nor in that of another profile"),
    ],
)  # fmt: skip
def test_an_address(address: str, own: str, words: str) -> None:
    assert listings.of_address(address, own) == words


def test_an_address_of_the_profile_that_this_way_does_not_lead_to() -> None:
    words = listings.of_address("129.42.56.189", "hmc-2017-simplified")

    assert words == " for this way, though hmc-2017-simplified lists it (A-11)"


def test_a_name() -> None:
    words = listings.of_name("www6.software.ibm.com", "hmc-2017-simplified")

    assert words.endswith(" it, and hmc-2017-simplified does not")
    assert listings.of_name("esupport.ibm.com", "hmc-2017-simplified").find("simplified (") < 0
    assert listings.of_name("nosuch.ibm.com", "hmc-2007") == ""
