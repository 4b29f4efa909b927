-- A schema with every kind of object that PostgreSQL 18 and its contrib modules offer to a user.

SET check_function_bodies = off;

CREATE SCHEMA shop;
CREATE SCHEMA "Odd Schema";
COMMENT ON SCHEMA shop IS 'it''s a shop';
CREATE EXTENSION citext;
CREATE EXTENSION hstore WITH SCHEMA shop;
CREATE EXTENSION btree_gist;
CREATE EXTENSION pg_trgm;
CREATE EXTENSION postgres_fdw;

-- types

CREATE COLLATION plain_c (PROVIDER = libc, LOCALE = 'C');
CREATE COLLATION shop.bytes (PROVIDER = builtin, LOCALE = 'C');
COMMENT ON COLLATION plain_c IS 'bytes';
CREATE TYPE mood AS ENUM ('sad', 'it''s', 'back\slash', 'ok');
ALTER TYPE mood ADD VALUE 'between' BEFORE 'ok';
CREATE TYPE shop.size AS ENUM ('s', 'm');
CREATE TYPE address AS (street text COLLATE "C", "Zip Code" varchar(10), tags text[]);
COMMENT ON COLUMN address.street IS 'a field of a type';
CREATE TYPE floats AS RANGE (SUBTYPE = float8, SUBTYPE_DIFF = float8mi);
CREATE TYPE words AS RANGE (SUBTYPE = text, COLLATION = "C", MULTIRANGE_TYPE_NAME = many_words);
CREATE DOMAIN positive AS integer CONSTRAINT positive_check CHECK (VALUE > 0);
CREATE DOMAIN short_name AS varchar(20) COLLATE "C" DEFAULT 'x' NOT NULL CHECK (VALUE <> '') CHECK (VALUE <> 'y');
CREATE DOMAIN positives AS positive[];
CREATE DOMAIN later AS text;
ALTER DOMAIN later ADD CONSTRAINT later_check CHECK (VALUE IN ('a', 'b')) NOT VALID;
COMMENT ON DOMAIN positive IS 'more than nothing';
COMMENT ON CONSTRAINT positive_check ON DOMAIN positive IS 'its check';
COMMENT ON TYPE mood IS 'a mood';

-- sequences

CREATE SEQUENCE numbers;
CREATE SEQUENCE shop.odd AS smallint INCREMENT BY -2 MINVALUE -101 MAXVALUE 7 START WITH 5 CACHE 3 CYCLE;
CREATE UNLOGGED SEQUENCE quick;
COMMENT ON SEQUENCE numbers IS 'numbers';

-- functions, operators, casts

CREATE FUNCTION early() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM customers';
CREATE FUNCTION shop.slug(t text, VARIADIC more text[] DEFAULT '{}') RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    COST 5 AS $$ SELECT lower(t) || array_to_string(more, '$') $$;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE c customers%ROWTYPE; BEGIN RETURN NEW; END $$;
CREATE FUNCTION area(IN a integer, OUT b integer, INOUT c integer) LANGUAGE sql IMMUTABLE AS 'SELECT a, c';
CREATE FUNCTION pairs() RETURNS TABLE (a integer, b text) LANGUAGE sql SECURITY DEFINER SET search_path = public AS $$ SELECT 1, 'x' $$;
CREATE FUNCTION early(integer) RETURNS integer LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT $1 + 1; END;
CREATE PROCEDURE clean(INOUT n integer) LANGUAGE plpgsql AS $$ BEGIN n := n + 1; END $$;
CREATE FUNCTION add_up(state integer, value integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT state + coalesce(value, 0)';
CREATE AGGREGATE total(integer) (SFUNC = add_up, STYPE = integer, INITCOND = '0', PARALLEL = SAFE);
CREATE AGGREGATE last_of(double precision ORDER BY anyelement) (SFUNC = ordered_set_transition, STYPE = internal, FINALFUNC = percentile_disc_final, FINALFUNC_EXTRA);
CREATE FUNCTION windowed() RETURNS bigint LANGUAGE internal WINDOW AS 'window_row_number';
COMMENT ON FUNCTION early(integer) IS 'one more';
COMMENT ON AGGREGATE total(integer) IS 'a total';
COMMENT ON PROCEDURE clean(integer) IS 'cleans';
CREATE FUNCTION near(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT lower($1) = lower($2)';
CREATE OPERATOR === (FUNCTION = near, LEFTARG = text, RIGHTARG = text, COMMUTATOR = OPERATOR(public.===), RESTRICT = eqsel);
CREATE OPERATOR shop.!! (FUNCTION = pg_catalog.upper, RIGHTARG = text);
COMMENT ON OPERATOR === (text, text) IS 'nearly';
CREATE FUNCTION as_mood(integer) RETURNS mood LANGUAGE sql IMMUTABLE AS $$ SELECT 'ok'::mood $$;
CREATE CAST (integer AS mood) WITH FUNCTION as_mood(integer) AS ASSIGNMENT;
CREATE CAST (address AS text) WITH INOUT;

-- text search

CREATE TEXT SEARCH DICTIONARY stems (TEMPLATE = snowball, LANGUAGE = english, STOPWORDS = english);
CREATE TEXT SEARCH CONFIGURATION searching (COPY = simple);
ALTER TEXT SEARCH CONFIGURATION searching ALTER MAPPING FOR asciiword, word WITH stems, simple;
COMMENT ON TEXT SEARCH CONFIGURATION searching IS 'searches';

-- tables

CREATE TABLE customers (
    id serial PRIMARY KEY,
    big bigserial NOT NULL,
    email citext NOT NULL UNIQUE,
    name short_name,
    "Full Name" varchar(100) COLLATE "C" DEFAULT 'it''s \ "q"',
    born date,
    price numeric(10, 2) DEFAULT 0.00 NOT NULL,
    at timestamp(3) with time zone DEFAULT now(),
    wait interval day to second(2),
    flags bit(3),
    feeling mood DEFAULT 'ok',
    home address,
    extra shop.hstore,
    several integer[][],
    slug text GENERATED ALWAYS AS (shop.slug(email::text)) STORED,
    twice integer GENERATED ALWAYS AS (several[1] * 2) VIRTUAL,
    data jsonb DEFAULT '{}'::jsonb NOT NULL,
    words tsvector,
    during tstzrange,
    kind varchar(10) CHECK (kind IN ('a', 'b', 'c')),
    CONSTRAINT customers_name_born UNIQUE NULLS NOT DISTINCT (name, born),
    CONSTRAINT with_more UNIQUE (id) INCLUDE (email, born) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT price_positive CHECK (price >= 0) NO INHERIT,
    CONSTRAINT no_overlap EXCLUDE USING gist (kind WITH =, during WITH &&) WHERE (price > 0)
) WITH (fillfactor = 70, autovacuum_enabled = off, toast.autovacuum_vacuum_threshold = 100);
ALTER TABLE customers ALTER COLUMN data SET STORAGE EXTERNAL;
ALTER TABLE customers ALTER COLUMN "Full Name" SET COMPRESSION pglz;
ALTER TABLE customers ALTER COLUMN born SET STATISTICS 500;
ALTER TABLE customers ALTER COLUMN born SET (n_distinct = -0.5);
ALTER TABLE customers ADD CONSTRAINT unchecked CHECK (born > '1900-01-01') NOT VALID;
COMMENT ON TABLE customers IS 'people';
COMMENT ON COLUMN customers."Full Name" IS 'all of it';
COMMENT ON CONSTRAINT price_positive ON customers IS 'no gifts';

CREATE TABLE identities (
    a integer GENERATED ALWAYS AS IDENTITY,
    b bigint GENERATED BY DEFAULT AS IDENTITY (SEQUENCE NAME special START WITH 100 INCREMENT BY 10 MAXVALUE 1000 CYCLE),
    c smallint DEFAULT nextval('shop.odd'),
    d bigint DEFAULT nextval('numbers') NOT NULL,
    e integer CONSTRAINT "e must be" NOT NULL,
    f integer NOT NULL NO INHERIT,
    g integer,
    PRIMARY KEY (a, b)
);
ALTER TABLE identities ADD CONSTRAINT g_later NOT NULL g NOT VALID;
CREATE SEQUENCE named_by_hand AS integer OWNED BY identities.e;
ALTER TABLE identities ALTER COLUMN e SET DEFAULT nextval('named_by_hand');
CREATE TABLE old_serial (id serial);
ALTER TABLE old_serial RENAME TO "New Serial";
CREATE UNLOGGED TABLE fast (id serial PRIMARY KEY, v text);
CREATE TABLE nothing ();
CREATE TABLE typed OF address (PRIMARY KEY (street), "Zip Code" WITH OPTIONS DEFAULT '0' NOT NULL);

CREATE TABLE shop.products (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    size shop.size,
    label "char",
    parent bigint REFERENCES shop.products ON DELETE CASCADE,
    customer integer CONSTRAINT of_customer REFERENCES public.customers (id) ON UPDATE CASCADE ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED,
    UNIQUE (id, customer)
);
CREATE TABLE "Odd Schema"."select" ("from" integer PRIMARY KEY, "a.b" text, "q""uote" text UNIQUE);
CREATE TABLE orders (
    id integer,
    product bigint,
    customer integer,
    other integer,
    odd integer,
    CONSTRAINT orders_pkey PRIMARY KEY (id) WITH (fillfactor = 50),
    FOREIGN KEY (product, customer) REFERENCES shop.products (id, customer) MATCH FULL ON DELETE SET NULL,
    CONSTRAINT partly FOREIGN KEY (product, other) REFERENCES shop.products (id, customer) ON DELETE SET NULL (other) ON UPDATE SET DEFAULT,
    FOREIGN KEY (odd) REFERENCES "Odd Schema"."select" ("from")
);
ALTER TABLE orders ADD CONSTRAINT not_yet FOREIGN KEY (other) REFERENCES customers NOT VALID;
ALTER TABLE orders ADD CONSTRAINT not_enforced FOREIGN KEY (customer) REFERENCES customers NOT ENFORCED;
COMMENT ON CONSTRAINT partly ON orders IS 'partly';
CREATE TABLE one_to_one (id integer PRIMARY KEY REFERENCES orders (id), note text);
CREATE TABLE spans (room integer, during tstzrange, PRIMARY KEY (room, during WITHOUT OVERLAPS));
CREATE TABLE stays (room integer, during tstzrange, FOREIGN KEY (room, PERIOD during) REFERENCES spans (room, PERIOD during));

-- partitions and inheritance

CREATE TABLE events (id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL, kind text DEFAULT 'x' CHECK (kind <> ''), n integer,
    customer integer REFERENCES customers ON DELETE CASCADE, kinds text NOT NULL DEFAULT 'a', PRIMARY KEY (id, at, kinds)) PARTITION BY RANGE (at);
CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01 00:00+00') TO ('2025-01-01 00:00+00');
CREATE TABLE events_2025 PARTITION OF events (n DEFAULT 5, CONSTRAINT only_25 CHECK (n > 0))
    FOR VALUES FROM ('2025-01-01 00:00+00') TO ('2026-01-01 00:00+00') PARTITION BY LIST (kinds);
CREATE TABLE events_2025_a PARTITION OF events_2025 FOR VALUES IN ('a', 'b');
CREATE TABLE events_2025_rest PARTITION OF events_2025 DEFAULT;
CREATE TABLE shop.events_old (customer integer, kind text, at timestamptz NOT NULL, n integer, kinds text NOT NULL, id bigint NOT NULL, CONSTRAINT events_kind_check CHECK (kind <> ''));
CREATE INDEX own_name ON shop.events_old (n);
ALTER TABLE events ATTACH PARTITION shop.events_old FOR VALUES FROM (MINVALUE) TO ('2024-01-01 00:00+00');
CREATE INDEX events_n ON events (n);
CREATE INDEX events_2024_kind ON events_2024 (kind);
CREATE UNIQUE INDEX events_unique ON events (at, kinds, n);
COMMENT ON INDEX events_n IS 'numbers';
CREATE TABLE hashed (id integer, v text) PARTITION BY HASH (id, lower(v));
CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0) WITH (fillfactor = 90);
CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE no_parts (id integer PRIMARY KEY) PARTITION BY RANGE (id);

CREATE TABLE base (id integer NOT NULL, v text DEFAULT 'base', CONSTRAINT base_v CHECK (v <> ''), w integer, PRIMARY KEY (id));
CREATE TABLE mixin (m integer NOT NULL);
CREATE TABLE child (c integer) INHERITS (base, mixin);
ALTER TABLE child ALTER COLUMN v SET DEFAULT 'child';
ALTER TABLE child ALTER COLUMN w SET NOT NULL;
ALTER TABLE child ADD CONSTRAINT own_check CHECK (c > 0);
CREATE TABLE grandchild (v text, g integer) INHERITS (child);
CREATE TABLE adopted (z integer, w integer, v text, id integer NOT NULL, CONSTRAINT base_v CHECK (v <> ''));
ALTER TABLE adopted INHERIT base;

-- indexes

CREATE INDEX ON customers (lower(name), born DESC NULLS LAST, price NULLS FIRST) WHERE price > 1 AND kind IN ('a', 'b');
CREATE INDEX customers_data ON customers USING gin (data jsonb_path_ops) WITH (fastupdate = off);
CREATE INDEX customers_trgm ON customers USING gin ("Full Name" gin_trgm_ops);
CREATE INDEX customers_during ON customers USING gist (during);
CREATE INDEX customers_at ON customers USING brin (at) WITH (pages_per_range = 32);
CREATE INDEX customers_hash ON customers USING hash (born);
CREATE UNIQUE INDEX customers_lower ON customers (lower("Full Name") COLLATE "C" text_pattern_ops) INCLUDE (born) NULLS NOT DISTINCT;
ALTER INDEX customers_lower ALTER COLUMN 1 SET STATISTICS 77;
CREATE UNIQUE INDEX orders_replica ON orders (id);
ALTER TABLE orders REPLICA IDENTITY USING INDEX orders_replica;
CREATE INDEX orders_cluster ON orders (product);
ALTER TABLE orders CLUSTER ON orders_cluster;
ALTER TABLE fast REPLICA IDENTITY FULL;
ALTER TABLE nothing REPLICA IDENTITY NOTHING;
CREATE UNIQUE INDEX plain_unique ON "New Serial" (id);
CREATE TABLE refers_to_index (id integer REFERENCES "New Serial" (id));
CREATE STATISTICS orders_stats (ndistinct, dependencies) ON product, customer FROM orders;
CREATE STATISTICS shop.customers_stats ON (lower(name)), born FROM customers;
ALTER STATISTICS orders_stats SET STATISTICS 300;
COMMENT ON STATISTICS orders_stats IS 'together';

-- views, with dependencies in both directions

CREATE VIEW simple AS SELECT id, "Full Name" AS "N", kind FROM customers WHERE kind IN ('a', 'b');
ALTER VIEW simple ALTER COLUMN kind SET DEFAULT 'a';
CREATE VIEW guarded WITH (security_barrier = true, security_invoker = true) AS SELECT * FROM shop.products WHERE id > 0 WITH LOCAL CHECK OPTION;
CREATE VIEW z_first AS SELECT id FROM simple;
CREATE VIEW a_second AS SELECT id FROM z_first WITH CASCADED CHECK OPTION;
CREATE VIEW grouped AS SELECT id, email, count(*) FROM customers GROUP BY id;
CREATE RECURSIVE VIEW counting (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM counting WHERE n < 5;
CREATE MATERIALIZED VIEW stored WITH (fillfactor = 80) AS SELECT id, price * 2 AS double FROM customers;
CREATE UNIQUE INDEX stored_id ON stored (id);
CREATE MATERIALIZED VIEW empty_one AS SELECT id FROM stored WITH NO DATA;
CREATE VIEW on_stored AS SELECT * FROM stored;
COMMENT ON VIEW simple IS 'simple';
COMMENT ON COLUMN simple."N" IS 'renamed';
COMMENT ON MATERIALIZED VIEW stored IS 'stored';
CREATE FUNCTION rows_of() RETURNS SETOF a_second LANGUAGE sql AS 'SELECT * FROM a_second';
CREATE FUNCTION after_stored() RETURNS SETOF on_stored LANGUAGE sql BEGIN ATOMIC SELECT * FROM on_stored; END;
CREATE TABLE of_rows (r a_second, p positives, m mood[]);

-- functions that tables and their own rows need

CREATE TABLE circular (id integer, n integer);
CREATE FUNCTION circle_ok(circular) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1.n > 0';
CREATE FUNCTION next_circle() RETURNS integer LANGUAGE sql BEGIN ATOMIC SELECT max(id) + 1 FROM circular; END;
ALTER TABLE circular ADD CONSTRAINT circle_check CHECK (circle_ok(circular.*));
ALTER TABLE circular ALTER COLUMN id SET DEFAULT next_circle();
CREATE TABLE needs_function (id integer DEFAULT early(3), s text CHECK (shop.slug(s) <> ''));
CREATE DOMAIN round AS integer;
CREATE FUNCTION round_ok(round) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 > 0';
ALTER DOMAIN round ADD CONSTRAINT round_check CHECK (round_ok(VALUE));

-- triggers, rules, row security

CREATE TRIGGER touched BEFORE INSERT OR UPDATE OF "Full Name", born ON customers FOR EACH ROW WHEN (NEW.price > 0) EXECUTE FUNCTION touch('a', 'b''c');
CREATE TRIGGER "odd ON public.customers" AFTER DELETE ON customers REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION touch();
CREATE CONSTRAINT TRIGGER checked AFTER INSERT ON orders FROM customers DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TRIGGER off BEFORE TRUNCATE ON orders EXECUTE FUNCTION touch();
ALTER TABLE orders DISABLE TRIGGER off;
CREATE TRIGGER always AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION touch();
ALTER TABLE orders ENABLE ALWAYS TRIGGER always;
CREATE TRIGGER of_view INSTEAD OF INSERT ON simple FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TRIGGER of_events AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION touch();
ALTER TABLE events_2024 DISABLE TRIGGER of_events;
COMMENT ON TRIGGER touched ON customers IS 'touches';
CREATE RULE silent AS ON DELETE TO orders WHERE OLD.id < 0 DO INSTEAD NOTHING;
CREATE RULE noted AS ON INSERT TO orders DO ALSO (INSERT INTO one_to_one VALUES (NEW.id); NOTIFY orders);
ALTER TABLE orders DISABLE RULE noted;
COMMENT ON RULE silent ON orders IS 'silent';
CREATE FUNCTION on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM 1; END $$;
CREATE EVENT TRIGGER watching ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'DROP TABLE') EXECUTE FUNCTION on_ddl();
ALTER EVENT TRIGGER watching DISABLE;
COMMENT ON EVENT TRIGGER watching IS 'watches';
ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE shop.products ENABLE ROW LEVEL SECURITY;
ALTER TABLE shop.products FORCE ROW LEVEL SECURITY;
CREATE POLICY reading ON orders FOR SELECT TO postgres, pg_monitor USING (customer = (SELECT max(id) FROM customers));
CREATE POLICY writing ON orders AS RESTRICTIVE FOR UPDATE USING (id > 0) WITH CHECK (id > 1);
CREATE POLICY "all" ON shop.products USING (true);
COMMENT ON POLICY reading ON orders IS 'reads';

-- foreign data, publications

CREATE SERVER elsewhere TYPE 'x' VERSION '1' FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'h', dbname 'it''s');
CREATE FOREIGN TABLE remote (id integer OPTIONS (column_name 'ID') NOT NULL, v text DEFAULT 'v', CHECK (id > 0)) SERVER elsewhere OPTIONS (table_name 't');
CREATE PUBLICATION everything FOR ALL TABLES WITH (publish = 'insert, update');
CREATE PUBLICATION chosen FOR TABLE orders (id, product) WHERE (id > 0), TABLE customers, TABLE events WITH (publish_via_partition_root = true);
CREATE PUBLICATION of_schema FOR TABLE customers, TABLES IN SCHEMA shop, TABLES IN SCHEMA "Odd Schema" WITH (publish_generated_columns = stored);
COMMENT ON PUBLICATION chosen IS 'some';
COMMENT ON SERVER elsewhere IS 'elsewhere';
COMMENT ON FOREIGN TABLE remote IS 'remote';
