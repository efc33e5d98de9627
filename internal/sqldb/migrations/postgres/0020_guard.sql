-- +goose Up
-- One row: the schema's version, and the oldest schema whose programs may go on working on it.
CREATE TABLE schema_window (
  id BIGINT NOT NULL PRIMARY KEY,
  version BIGINT NOT NULL,
  compatible BIGINT NOT NULL,
  changed_at BIGINT NOT NULL
);

-- What is below raises SQLSTATE PB001 for what the append-only tables do not allow.

-- tree_root is MTH of RFC 6962 over hashes of 32 bytes, one after the other: neighbours are joined level by level, and a last one without neighbour goes up as it is.
-- +goose StatementBegin
CREATE FUNCTION tree_root(hashes BYTEA) RETURNS BYTEA LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  level BYTEA := hashes;
  n BIGINT;
BEGIN
  LOOP
    n := octet_length(level) / 32;
    EXIT WHEN n <= 1;
    SELECT string_agg(CASE WHEN i = n - 1 THEN substr(level, (i * 32 + 1)::integer, 32) ELSE sha256('\x01'::bytea || substr(level, (i * 32 + 1)::integer, 64)) END, ''::bytea ORDER BY i)
      INTO level FROM generate_series(0, n - 1, 2) AS i;
  END LOOP;
  RETURN level;
END $$;
-- +goose StatementEnd

-- stored_leaves are the hashes of the leaves first to past-1 of a tree of size events: of its full tiles, and beyond them of the evidence itself, since a tile is stored when it is full.
-- +goose StatementBegin
CREATE FUNCTION stored_leaves(of_log TEXT, of_epoch BIGINT, of_base BIGINT, size BIGINT, first BIGINT, past BIGINT) RETURNS BYTEA LANGUAGE plpgsql STABLE AS $$
DECLARE
  full_end BIGINT := size / 256 * 256;
  hashes BYTEA := ''::bytea;
  body BYTEA;
  leaf BIGINT;
  leaves BIGINT;
  pos INTEGER;
  n INTEGER;
BEGIN
  IF first < full_end THEN
    SELECT string_agg(t.body, ''::bytea ORDER BY t.idx) INTO hashes FROM tile AS t
      WHERE t.log_id = of_log AND t.epoch = of_epoch AND t.level = 0 AND t.idx >= first / 256 AND t.idx < least(past + 255, full_end) / 256 AND octet_length(t.body) = 8192;
    hashes := substr(hashes, (first % 256 * 32 + 1)::integer, ((least(past, full_end) - first) * 32)::integer);
  END IF;
  FOR leaf, leaves, body IN SELECT h.first_seq - of_base, h.count, h.body || ''::bytea FROM hot_evidence AS h
      WHERE h.log_id = of_log AND h.first_seq - of_base < past AND h.first_seq - of_base + h.count > greatest(first, full_end) ORDER BY h.first_seq LOOP
    pos := 0;
    WHILE leaves > 0 AND leaf < past LOOP
      n := get_byte(body, pos) * 256 + get_byte(body, pos + 1);
      IF leaf >= greatest(first, full_end) THEN
        hashes := hashes || sha256('\x00'::bytea || substr(body, pos + 3, n));
      END IF;
      pos := pos + 2 + n;
      leaf := leaf + 1;
      leaves := leaves - 1;
    END LOOP;
  END LOOP;
  RETURN hashes;
END $$;
-- +goose StatementEnd

-- signed_size is the size that the stored checkpoint of a log covers: its text names the log's present epoch and the published size, and bears a signature by a key of the log. Whether the
-- signature is right, only a program can tell: the node that signed it, and everybody who verifies.
-- +goose StatementBegin
CREATE FUNCTION signed_size(l log) RETURNS BIGINT LANGUAGE plpgsql STABLE AS $$
DECLARE
  origin TEXT := l.instance || '/' || l.log_id || '/' || l.epoch;
  lines TEXT[] := string_to_array(l.checkpoint, E'\n');
BEGIN
  IF lines[1] IS DISTINCT FROM origin OR lines[2] IS DISTINCT FROM l.published::text OR COALESCE(lines[3], '') !~ '^[A-Za-z0-9+/]{43}=$' OR lines[4] IS DISTINCT FROM '' THEN
    RETURN 0;
  END IF;
  IF NOT EXISTS (SELECT FROM log_key AS k, unnest(lines[5:]) AS line
      WHERE k.log_id = l.log_id AND split_part(k.vkey, '+', 1) = origin AND split_part(line, ' ', 1) = '—' AND split_part(line, ' ', 2) = origin
      AND CASE WHEN split_part(line, ' ', 3) ~ '^[A-Za-z0-9+/]{91}=$' THEN encode(substr(decode(split_part(line, ' ', 3), 'base64'), 1, 4), 'hex') = split_part(k.vkey, '+', 2) ELSE false END) THEN
    RETURN 0;
  END IF;
  RETURN l.published;
END $$;
-- +goose StatementEnd

-- seal_hot removes the hot rows of the segment of a log that begins at a seq, and returns how many events they held. It is the only way in which the application role gets rid of evidence.
-- +goose StatementBegin
CREATE FUNCTION seal_hot(of_log TEXT, first BIGINT) RETURNS BIGINT LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  l log;
  s segment;
  past BIGINT;
  root BYTEA;
  evidence BIGINT;
  working BIGINT;
BEGIN
  SELECT * INTO l FROM log WHERE log_id = of_log FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no log %', of_log USING ERRCODE = 'PB001';
  END IF;
  SELECT * INTO s FROM segment WHERE log_id = of_log AND first_seq = first;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no segment of log % begins at seq %', of_log, first USING ERRCODE = 'PB001';
  END IF;
  past := first + s.count;
  IF first <> greatest(l.sealed, l.base) THEN
    RAISE EXCEPTION 'log % is sealed up to seq %: nothing from seq % on can be', of_log, greatest(l.sealed, l.base), first USING ERRCODE = 'PB001';
  END IF;
  IF s.count < 1 OR past - l.base > signed_size(l) THEN
    RAISE EXCEPTION 'no signed checkpoint of log % covers the segment from seq % to %', of_log, first, past - 1 USING ERRCODE = 'PB001';
  END IF;
  IF s.count = 65536 AND (first - l.base) % 65536 = 0 THEN -- a block: a full tile of the level above has the roots of its tiles
    SELECT tree_root(t.body || ''::bytea) INTO root FROM tile AS t
      WHERE t.log_id = of_log AND t.epoch = l.epoch AND t.level = 1 AND t.idx = (first - l.base) / 65536 AND octet_length(t.body) = 8192;
  ELSE
    root := stored_leaves(of_log, l.epoch, l.base, l.size, first - l.base, past - l.base);
    root := CASE WHEN octet_length(root) = s.count * 32 THEN tree_root(root) END;
  END IF;
  IF root IS NULL OR root <> s.root THEN
    RAISE EXCEPTION 'the segment of log % from seq % to % does not have the root of the stored tiles', of_log, first, past - 1 USING ERRCODE = 'PB001';
  END IF;
  WITH gone AS (DELETE FROM hot_evidence WHERE log_id = of_log AND first_seq >= first AND first_seq + count <= past RETURNING count) SELECT SUM(count) INTO evidence FROM gone;
  WITH gone AS (DELETE FROM hot_working WHERE log_id = of_log AND first_seq >= first AND first_seq + count <= past RETURNING count) SELECT SUM(count) INTO working FROM gone;
  IF evidence IS DISTINCT FROM s.count OR working IS DISTINCT FROM s.count THEN
    RAISE EXCEPTION 'the hot rows of log % from seq % to % hold % events and % working copies', of_log, first, past - 1, COALESCE(evidence, 0), COALESCE(working, 0) USING ERRCODE = 'PB001';
  END IF;
  UPDATE log SET sealed = past WHERE log_id = of_log;
  RETURN s.count;
END $$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION seal_hot(TEXT, BIGINT) FROM PUBLIC;

-- refuse_change stops everybody, the owner included. allow_owner stops everybody but the owner.
-- +goose StatementBegin
CREATE FUNCTION refuse_change() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% of the append-only table % is refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'PB001';
END $$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION allow_owner() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  IF pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE') THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'a log can only grow: this % of the table % is refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'PB001';
END $$;
-- +goose StatementEnd
CREATE TRIGGER hot_evidence_stays BEFORE UPDATE OR TRUNCATE ON hot_evidence FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER tile_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON tile FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER segment_stays BEFORE UPDATE OF log_id, first_seq, count, evidence_sha256, evidence_bytes, root ON segment FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER log_grows BEFORE UPDATE ON log FOR EACH ROW WHEN (NEW.size < OLD.size OR NEW.recorded_at < OLD.recorded_at OR NEW.published < OLD.published OR NEW.published > NEW.size
  OR NEW.size = OLD.size AND NEW.root <> OLD.root OR NEW.published <> OLD.published AND NEW.checkpoint = OLD.checkpoint
  OR NEW.checkpoint <> OLD.checkpoint AND NOT starts_with(NEW.checkpoint, NEW.instance || '/' || NEW.log_id || '/' || NEW.epoch || E'\n' || NEW.published || E'\n'))
  EXECUTE FUNCTION allow_owner();

-- Nobody's search path decides what the functions mean by a name.
-- +goose StatementBegin
DO $$
DECLARE
  f TEXT;
BEGIN
  FOREACH f IN ARRAY ARRAY['tree_root(BYTEA)', 'stored_leaves(TEXT, BIGINT, BIGINT, BIGINT, BIGINT, BIGINT)', 'signed_size(log)', 'seal_hot(TEXT, BIGINT)', 'refuse_change()', 'allow_owner()'] LOOP
    EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', f, current_schema());
  END LOOP;
END $$;
-- +goose StatementEnd

-- +goose Down
DROP TRIGGER log_grows ON log;
DROP TRIGGER segment_stays ON segment;
DROP TRIGGER tile_stays ON tile;
DROP TRIGGER hot_evidence_stays ON hot_evidence;
DROP FUNCTION allow_owner();
DROP FUNCTION refuse_change();
DROP FUNCTION seal_hot(TEXT, BIGINT);
DROP FUNCTION signed_size(log);
DROP FUNCTION stored_leaves(TEXT, BIGINT, BIGINT, BIGINT, BIGINT, BIGINT);
DROP FUNCTION tree_root(BYTEA);
DROP TABLE schema_window;
