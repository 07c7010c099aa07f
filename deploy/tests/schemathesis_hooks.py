"""What schemathesis cannot know of the values that it sends: formats that are Abovefold's own."""

from datetime import date

import schemathesis
from hypothesis import strategies as st

# A token of the log's four partitions; the eight digits after the version name the topic `user_events` (operators/src/query/after.rs).
AFTER = st.builds("01c36e0904{:08x}{:016x}".format, st.integers(0, 3), st.integers(0, 2**64 - 2))

# A moment from 1970 to 9999: RFC 3339, or that without a zone.
MOMENT = st.builds(
    "{}T{}{}".format,
    st.dates(min_value=date(1970, 1, 2), max_value=date(9999, 12, 30)),
    st.builds("{:02}:{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59), st.integers(0, 59)),
    st.sampled_from(["", "Z", "+02:00", "-11:30", ".5", ".123Z"]),
)

schemathesis.openapi.format("after", AFTER)
schemathesis.openapi.format("moment", MOMENT)


@schemathesis.hook
def before_call(context, case, kwargs):
    """The stream of the operations page ends only where it is told to: after one snapshot here, unless something else is tried."""
    if case.path == "/admin/live":
        query = dict(case.query or {})
        query.setdefault("limit", 1)
        case.query = query


def is_plain(value: object) -> bool:
    """Whether no text in it is of at most 128 characters and yet of more than 128 bytes: a schema can only say the former."""
    if isinstance(value, dict):
        return all(map(is_plain, value.values()))
    if isinstance(value, list):
        return all(map(is_plain, value))
    return not isinstance(value, str) or len(value) > 128 or len(value.encode("utf-8", "surrogatepass")) <= 128


@schemathesis.hook
def filter_body(context, body):
    """Leaves out what the description refuses and the schema cannot."""
    return is_plain(body)


@schemathesis.hook
def filter_query(context, query):
    """As above."""
    return is_plain(query)


@schemathesis.hook
def filter_path_parameters(context, path_parameters):
    """As above."""
    return is_plain(path_parameters)
