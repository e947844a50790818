"""The tables part of docs/store.md from the schemas: `python -m resources.schema_reference > docs/tables.md`."""

from __future__ import annotations

from resources import schemas


def reference() -> str:
    """The whole page."""
    lines = ["# Tables", "", "Every view of `coc sql`, column by column; docs/store.md says where the files lie.", ""]
    for table in (*schemas.DATA_TABLES, schemas.REJECTS, schemas.REQUESTS, schemas.REVIEWS):
        asset = table.asset or "every asset"
        lines += [f"## `{table.name}` ({asset})", "", f"{table.about} Unique by {', '.join(table.key)}.", ""]
        lines += ["| column | type | meaning |", "|---|---|---|"]
        lines += [f"| `{name}` | `{column.dtype}` | {column.about} |" for name, column in table.columns.items()]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    print(reference(), end="")
