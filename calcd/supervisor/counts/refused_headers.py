"""What is said of a proxy's header that is refused: why, and what to do about it."""

from calcd.handler import report
from calcd.protocol import proxy_header

_DEFECT = "Correct the proxy, or update it"
_LATE = (
    "Have the proxy send its header at once; if it waits for its client's first bytes, raise ProxyTimeout="
)
# By reason.
WORDS = {
    proxy_header.NO_HEADER: (
        "it sent no PROXY header",
        "Have the proxy send one (in HAProxy by send-proxy-v2, and check-send-proxy for checks of another "
        "port), or connect to a socket that is not proxied",
    ),
    proxy_header.BAD_END: ("its line has no CRLF in the first 107 bytes, or half of one", _DEFECT),
    proxy_header.BAD_LINE: ("its line has other words than version 1 has", _DEFECT),
    proxy_header.BAD_ADDRESS: (
        "its line has what is no address or port of its family, or is written in another way than usual",
        _DEFECT,
    ),
    proxy_header.BAD_VERSION: ("its header is of another version than 1 and 2", "Set the proxy to version 2"),
    proxy_header.BAD_COMMAND: ("its header has another command than LOCAL and PROXY", _DEFECT),
    proxy_header.BAD_FAMILY: ("its header has a family of addresses that version 2 does not know", _DEFECT),
    proxy_header.TOO_SHORT: ("its header is too short for its addresses", _DEFECT),
    proxy_header.TOO_LONG: (
        f"its header has more than {proxy_header.MAX_SIZE} bytes",
        "Have the proxy say less of its clients there",
    ),
    report.HEADER_CUT_OFF: ("it closed the connection within its header", _DEFECT),
    report.HEADER_LATE: ("ProxyTimeout= was over before its header was there", _LATE),
    report.UNTRUSTED_PROXY: ("it is not in ProxySources=", "Name it there if it is a proxy of yours"),
}
