#!/bin/sh
# Makes the database the first time, then becomes the server.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  initdb --username=postgres --auth-host=scram-sha-256 --auth-local=trust >/dev/null
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  pg_ctl -w -o "-c listen_addresses=" start >/dev/null
  psql -v ON_ERROR_STOP=1 -v password="$(cat /run/secrets/db-password)" -q <<'SQL'
CREATE USER app PASSWORD :'password';
CREATE DATABASE app OWNER app;
SQL
  psql -v ON_ERROR_STOP=1 -q -d app <<'SQL'
CREATE TABLE jobs (id serial PRIMARY KEY, text text NOT NULL, result text);
ALTER TABLE jobs OWNER TO app;
SQL
  pg_ctl -w -m fast stop >/dev/null
fi
exec postgres -c "listen_addresses=*"
