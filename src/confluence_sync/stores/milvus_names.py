"""Which collection of Milvus bears a name: an alias says so, and can be turned to another one in one step."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import cast

from confluence_sync.errors import Refused
from confluence_sync.model import digest
from confluence_sync.stores.base import COMING
from confluence_sync.stores.milvus_layout import ABOUT, PATIENCE, WHERE_THE_WORDS_ARE, About, Client, about_from, schema


def milvus_name(collection: str) -> str:
    """A name that Milvus takes: letters, digits and underscores; a changed name carries a digest, so that two never meet."""
    plain = re.sub(r"\W", "_", collection, flags=re.ASCII)
    return plain if plain == collection and not plain[:1].isdigit() else f"c_{plain[:100]}_{digest(collection, size=4)}"


def borne(client: Client, collection: str) -> str:
    """What Milvus calls the collection that bears this name; "" when none does."""
    alias = milvus_name(collection)
    if not client.has_collection(alias, PATIENCE):
        return ""
    name = str(client.describe_collection(alias, PATIENCE)["collection_name"])
    if collection.endswith(COMING) and name == borne(client, collection.removesuffix(COMING)):
        client.drop_alias(alias, PATIENCE)  # a crash came between taking the place and losing its own name
        return ""
    return name


def make(client: Client, about: About) -> str:
    """A collection with its indexes and the row about it, which bears its name at last. After a crash before that nobody finds it."""
    from pymilvus.milvus_client.index import IndexParams

    index = IndexParams()
    index.add_index("vector", index_type="AUTOINDEX", metric_type="COSINE")
    if about.words:
        index.add_index(WHERE_THE_WORDS_ARE, index_type="SPARSE_INVERTED_INDEX", metric_type="BM25")
    alias = milvus_name(about.name)
    name = f"{alias}_{about.id[:12]}"
    client.create_collection(name, schema=schema(about), index_params=index, consistency_level="Strong", timeout=PATIENCE)
    client.upsert(name, [about.row()], timeout=PATIENCE)
    client.create_alias(name, alias, PATIENCE)
    return name


def lose(client: Client, name: str) -> None:
    """A collection and its name, which a server would keep and then refuse for the next one."""
    for alias in cast("Sequence[str]", client.describe_collection(name, PATIENCE).get("aliases") or ()):
        client.drop_alias(str(alias), PATIENCE)
    client.drop_collection(name, PATIENCE)


def turn(client: Client, old: About, old_name: str, name: str) -> None:
    """Readers of the old one's name find `name` from here on; whatever else ever bore it goes, what a crash left behind, too."""
    alias, coming = milvus_name(old.name), milvus_name(old.name + COMING)
    if old_name == alias:  # made before names were aliases
        client.rename_collection(alias, f"{alias}_{old.id[:12]}", timeout=PATIENCE)
        client.create_alias(name, alias, PATIENCE)
    else:
        client.alter_alias(name, alias, PATIENCE)
    client.drop_alias(coming, PATIENCE)
    ours = re.compile(rf"({alias}|{coming})_[0-9a-f]{{12}}")
    for other in client.list_collections(timeout=PATIENCE):
        if ours.fullmatch(other) and other != name and _is(client, other, old.name):
            client.drop_collection(other, PATIENCE)


def _is(client: Client, name: str, collection: str) -> bool:
    about = about_of(client, name)
    return about is not None and about.name == collection


def about_of(client: Client, name: str) -> About | None:
    """What the collection says of itself; None for another program's."""
    client.load_collection(name, PATIENCE)
    found = client.query(name, f'id == "{ABOUT}"', ["metadata"], PATIENCE, consistency_level="Strong")
    return about_from(found[0]) if found else None


def adopted(client: Client, name: str, about: About, where: str) -> About:
    """An empty collection that a crash left without the row about it gets one; a filled one is somebody else's."""
    (row,) = client.query(name, "", ["count(*)"], PATIENCE, consistency_level="Strong")
    if int(str(row["count(*)"])):
        raise Refused(f"Milvus at {where} has a collection {name!r} of another program; it was left alone. Set another COLLECTION_ID")
    client.upsert(name, [about.row()], timeout=PATIENCE)
    return about
