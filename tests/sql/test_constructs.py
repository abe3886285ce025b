"""The first table of a statement that SQLAlchemy built, on every database system."""

from contextlib import suppress
from functools import partial

import pytest
from sqlalchemy import (
    CheckConstraint,
    Column,
    Index,
    Integer,
    MetaData,
    Sequence,
    String,
    Table,
    bindparam,
    case,
    column,
    delete,
    exists,
    func,
    insert,
    intersect,
    lateral,
    literal,
    literal_column,
    select,
    table,
    text,
    true,
    union,
    union_all,
    update,
    values,
)
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.dialects import sqlite as lite
from sqlalchemy.orm import Session, aliased, contains_eager, joinedload, selectinload, subqueryload
from sqlalchemy.schema import AddConstraint, CreateIndex, CreateSequence, CreateTable, DropIndex, DropTable

from tests.sql.shop import Order, User, counts, orders, users

cte = select(orders.c.user_id).where(orders.c.id > 0).cte("recent")
numbers = select(literal(1).label("n")).cte("numbers", recursive=True)
numbers = numbers.union_all(select(numbers.c.n + 1).where(numbers.c.n < 3))
tree = select(users.c.id).cte("tree", recursive=True)
tree = tree.union_all(select(orders.c.id).join(tree, orders.c.id == tree.c.id + 100))
other_user = aliased(User)
sub = select(orders.c.user_id).where(orders.c.id > 0).subquery()
count_of_orders = select(func.count()).select_from(orders).where(orders.c.user_id == users.c.id).scalar_subquery()
small = values(column("n", Integer), name="small").data([(1,), (2,)])
light = table("users", column("id"), column("name"))

EVERYWHERE = [
    ("SELECT", "users", select(users)),
    ("SELECT", "users", select(User)),
    ("SELECT", "users", select(users.c.name).distinct().order_by(users.c.name).limit(1).offset(1)),
    ("SELECT", "users", select(func.count()).select_from(users)),
    ("SELECT", "users", select(func.count(User.id))),
    ("SELECT", "users", select(func.count()).select_from(select(users).subquery())),
    ("SELECT", "users", select(users.alias("u"))),
    ("SELECT", "users", select(other_user.name)),
    ("SELECT", "users", select(light.c.id)),
    ("SELECT", "users", select(users, orders).join(orders)),
    ("SELECT", "orders", select(users.c.name).select_from(orders.join(users))),
    ("SELECT", "users", select(users.c.id).select_from(users.outerjoin(orders).outerjoin(orders.alias("o")))),
    ("SELECT", "users", select(User).join(User.orders)),
    ("SELECT", "users", select(User, other_user).join(other_user, User.id < other_user.id)),
    ("SELECT", "users", select(users.c.id, orders.c.id).where(users.c.id == orders.c.user_id)),
    ("SELECT", "users", select(users).where(exists().where(orders.c.user_id == users.c.id))),
    ("SELECT", "users", select(users).where(users.c.id.in_(select(orders.c.user_id)))),
    ("SELECT", "users", select(users.c.id, count_of_orders)),
    ("SELECT", "orders", select(sub.c.user_id)),
    ("SELECT", "orders", select(sub.c.user_id, users.c.name).join(users, users.c.id == sub.c.user_id)),
    ("SELECT", "orders", select(cte)),
    ("SELECT", "users", select(users).join(cte, cte.c.user_id == users.c.id)),
    ("SELECT", "users", select(users.c.id, func.row_number().over(order_by=users.c.id))),
    ("SELECT", "users", select(case((users.c.id > 1, "a"), else_="b"))),
    ("SELECT", "users", select(tree.c.id)),
    ("SELECT", "users", union(select(users.c.id), select(orders.c.id))),
    ("SELECT", "orders", union_all(select(orders.c.id), select(users.c.id)).order_by("id")),
    ("SELECT", "users", intersect(select(users.c.id), select(orders.c.id))),
    ("SELECT", "users", select(union(select(users.c.id), select(orders.c.id)).subquery())),
    ("SELECT", "users", select(users).with_for_update()),
    ("SELECT", "users", select(users.c.id).prefix_with("ALL")),
    ("SELECT", "users", text("SELECT id FROM users").columns(users.c.id)),
    ("SELECT", "users", select(literal_column("id")).select_from(text("users"))),
    ("SELECT", "orders", select(exists().where(orders.c.id == 1))),
    ("SELECT", "orders", select(select(func.count()).select_from(orders).scalar_subquery())),
    ("SELECT", "unknown", select(literal(1))),
    ("SELECT", "unknown", select(func.now())),
    ("SELECT", "unknown", select(numbers.c.n)),
    ("INSERT", "users", insert(users).values(name="x")),
    ("INSERT", "users", insert(User).values(name="x").returning(User)),
    ("INSERT", "users", insert(users).values([{"name": "x"}, {"name": "y"}])),
    ("INSERT", "orders", insert(orders).from_select(["user_id"], select(users.c.id))),
    ("INSERT", "orders", insert(orders).from_select(["user_id"], select(cte.c.user_id))),
    ("UPDATE", "users", update(users).values(name=users.c.name + "!")),
    ("UPDATE", "users", update(User).where(User.name == "x").values(name="y").returning(User.id)),
    ("UPDATE", "users", update(users).where(users.c.id == orders.c.user_id).values(name=users.c.name)),
    ("UPDATE", "orders", update(orders).values(user_id=select(func.max(users.c.id)).scalar_subquery())),
    ("UPDATE", "users", update(users).where(users.c.id.in_(select(cte.c.user_id))).values(name=users.c.name)),
    ("DELETE", "orders", delete(orders)),
    ("DELETE", "users", delete(User).where(User.id.in_(select(orders.c.user_id)))),
    ("DELETE", "orders", delete(orders).where(orders.c.user_id.in_(select(cte.c.user_id)))),
    ("CREATE", "made", CreateTable(Table("made", MetaData(), Column("id", Integer)))),
    ("DROP", "made", DropTable(Table("made", MetaData()), if_exists=True)),
    ("CREATE", "users", CreateIndex(Index("by_name", users.c.name), if_not_exists=True)),
    ("DROP", "users", DropIndex(Index("by_nothing", users.c.name), if_exists=True)),
]

schema = MetaData(schema="public")
qualified = Table("users", schema, Column("id", Integer), Column("name", String))
upsert = pg.insert(users).values(id=1, name="x")
one_order = select(orders.c.id).where(orders.c.user_id == users.c.id).limit(1)
gone = delete(orders).returning(orders.c.user_id).cte("gone")

ON_POSTGRESQL = [
    ("SELECT", "unknown", select(small)),
    ("SELECT", "users", select(users).join(small, small.c.n == users.c.id)),
    ("SELECT", "users", select(qualified)),
    ("SELECT", "users", select(users.tablesample(func.bernoulli(1)))),
    (
        "SELECT",
        "users",
        select(users.c.id, lateral(one_order).c.id).select_from(users).join(lateral(one_order), true()),
    ),
    ("SELECT", "users", select(users).with_for_update(skip_locked=True, of=users)),
    ("SELECT", "users", select(users.c.name).prefix_with("DISTINCT ON (name)")),
    ("SELECT", "unknown", select(func.unnest(pg.array([1, 2])).table_valued("n").render_derived())),
    ("SELECT", "unknown", select(func.generate_series(1, 2).table_valued("n").render_derived().c.n)),
    ("SELECT", "orders", select(gone.c.user_id)),
    ("INSERT", "users", insert(qualified).values(id=77, name="q")),
    ("INSERT", "users", upsert.on_conflict_do_nothing()),
    ("INSERT", "users", upsert.on_conflict_do_update(index_elements=["id"], set_={"name": upsert.excluded.name})),
    ("UPDATE", "users", update(users).where(users.c.id == orders.c.user_id).values(name=orders.c.id.cast(String))),
    ("UPDATE", "users", update(qualified).values(name="q").returning(qualified.c.id)),
    ("DELETE", "orders", delete(orders).where(orders.c.user_id == users.c.id, users.c.name == "x")),
    ("DELETE", "users", delete(users).where(users.c.id.in_(select(gone.c.user_id)))),
    ("CREATE", "users", CreateIndex(Index("concurrent", users.c.name, postgresql_using="hash"))),
    ("CREATE", "unknown", CreateSequence(Sequence("made_sequence"))),
]

lite_upsert = lite.insert(users).values(id=1, name="x")

ON_SQLITE = [
    ("SELECT", "users", select(Table("users", MetaData(schema="main"), Column("id", Integer)))),
    ("INSERT", "users", lite_upsert.on_conflict_do_nothing()),
    ("INSERT", "users", lite_upsert.on_conflict_do_update(index_elements=["id"], set_={"name": "y"})),
    ("INSERT", "users", insert(users).prefix_with("OR REPLACE").values(id=1, name="x")),
    ("SELECT", "sqlite_master", select(table("sqlite_master", column("name")))),
]


class _TakenBack(Exception):
    """Each case begins with empty tables."""


def _execute_and_take_back(statement, connection):
    connection.execute(statement)
    raise _TakenBack


async def executed_one_by_one(database, telemetry, cases):
    """Execute each case by itself, and give what was counted of it beside what was expected."""
    engine = database.engine()
    found = []
    before = counts(telemetry)
    for operation, name, statement in cases:
        with suppress(_TakenBack):
            await database.run(partial(_execute_and_take_back, statement), engine)
        after = counts(telemetry)
        new = {key: value - before.get(key, 0) for key, value in after.items() if value != before.get(key, 0)}
        found.append((str(statement)[:100], new, {(operation, name): 1}))
        before = after
    return [(text_of, new, expected) for text_of, new, expected in found if new != expected]


async def test_every_construct_is_counted_by_its_operation_and_first_table(live, database):
    cases = EVERYWHERE + (ON_SQLITE if "sqlite" in database.url else ON_POSTGRESQL)
    assert await executed_one_by_one(database, live, cases) == []


async def test_what_metadata_creates_and_drops_is_counted_by_table(live, database):
    metadata = MetaData()
    made = Table("made", metadata, Column("id", Integer, primary_key=True), Column("n", Integer, index=True))

    def work(connection):
        metadata.create_all(connection)
        connection.execute(insert(made).values(n=1))
        metadata.drop_all(connection)

    await database.run(work)
    seen = counts(live)
    assert {key: value for key, value in seen.items() if key[1] == "made"} == {
        ("CREATE", "made"): 2,  # the table and its index
        ("INSERT", "made"): 1,
        ("DROP", "made"): 1,
    }


async def test_constraints_are_of_their_table(live, postgresql):
    constraint = CheckConstraint(orders.c.id > 0, name="positive")
    try:
        await postgresql.run(lambda connection: connection.execute(AddConstraint(constraint)))
    finally:
        orders.constraints.discard(constraint)
    assert counts(live) == {("ALTER", "orders"): 1}


@pytest.mark.parametrize(
    ("load", "expected"),
    [
        (None, {("SELECT", "users"): 1, ("SELECT", "orders"): 3}),
        (selectinload, {("SELECT", "users"): 1, ("SELECT", "orders"): 1}),
        (joinedload, {("SELECT", "users"): 1}),
        (subqueryload, {("SELECT", "users"): 2}),
    ],
)
async def test_what_a_relationship_loads_is_counted(live, database, load, expected):
    engine = database.engine()

    def fill(session):
        session.add_all(User(name=f"n{n}", orders=[Order(), Order()]) for n in range(3))

    await database.run_session(fill, engine)
    before = counts(live)

    def work(session):
        statement = select(User) if load is None else select(User).options(load(User.orders))
        return sum(len(user.orders) for user in session.scalars(statement).unique())

    assert await database.run_session(work, engine) == 6
    after = counts(live)
    assert {key: after[key] - before.get(key, 0) for key in after if after[key] != before.get(key, 0)} == expected


def test_the_statements_that_a_session_makes_are_counted_by_what_they_read_first(live, sqlite):
    with Session(sqlite.engine()) as session:
        session.query(User).filter_by(name="x").first()
        session.query(Order).join(Order.user).options(contains_eager(Order.user)).all()
        session.query(User).count()
        session.query(session.query(Order).exists()).scalar()
        session.execute(update(User).where(User.name == bindparam("old")), {"old": "x", "name": "y"})
        session.get(Order, 1)
    assert counts(live) == {("SELECT", "users"): 2, ("SELECT", "orders"): 3, ("UPDATE", "users"): 1}
