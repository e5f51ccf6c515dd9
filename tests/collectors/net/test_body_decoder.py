"""Bodies are unpacked within bounds: what comes out, what goes in, and their ratio."""

import pytest

from collectors.net.body_decoder import FREE_OUTPUT, MAX_RATIO, BadEncoding, BodyDecoder
from tests.collectors.hostile_http import gzip_bomb, gzipped


def test_a_bomb_is_stopped_at_the_ratio():
    unpacker = BodyDecoder("gzip")
    for piece in gzip_bomb():
        unpacker.feed(piece)
        if unpacker.full:
            break
    body = unpacker.finish()
    assert FREE_OUTPUT <= len(body) <= FREE_OUTPUT + MAX_RATIO * 2048


def test_what_packs_well_but_is_small_is_read_whole():
    page = b"<p>the same again</p>" * 3000
    unpacker = BodyDecoder(" GZIP ")
    unpacker.feed(gzipped(page))
    assert (unpacker.finish(), unpacker.full) == (page, False)


@pytest.mark.parametrize("pieces", [1, 7, 4096])
def test_a_body_is_unpacked_however_it_is_cut(pieces):
    page = bytes(range(256)) * 100
    for coding, wbits in (("gzip", 31), ("x-gzip", 31), ("deflate", 15), ("deflate", -15)):
        unpacker, packed = BodyDecoder(coding), gzipped(page, wbits)
        for start in range(0, len(packed), pieces):
            unpacker.feed(packed[start : start + pieces])
        assert unpacker.finish() == page


@pytest.mark.parametrize("coding", ["gzip, gzip", "gzip,br", "deflate, gzip"])
def test_two_codings_are_refused(coding):
    with pytest.raises(BadEncoding):
        BodyDecoder(coding)
