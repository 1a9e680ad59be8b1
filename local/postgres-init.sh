#!/bin/sh
# Run once by the Postgres image when its volume is empty: the two roles that local/postgres-roles.ts
# makes for `npm start`. The owner migrates; gateways and workers log in as the other.
set -eu
psql --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
  --set owner_password="$TAXIMETER_OWNER_PASSWORD" --set password="$TAXIMETER_PASSWORD" << 'SQL'
create role taximeter_owner login createdb password :'owner_password';
create role taximeter login password :'password';
create database taximeter owner taximeter_owner;
SQL
