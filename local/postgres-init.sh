#!/bin/sh
# Run once by the Postgres image when its volume is empty: the roles that local/postgres-roles.ts
# makes for `npm start`. The owner migrates; gateways log in as the second, workers as the third.
set -eu
psql --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
  --set owner_password="$TAXIMETER_OWNER_PASSWORD" --set password="$TAXIMETER_PASSWORD" \
  --set worker_password="$TAXIMETER_WORKER_PASSWORD" << 'SQL'
create role taximeter_owner login createdb password :'owner_password';
create role taximeter login password :'password';
create role taximeter_worker login password :'worker_password';
create database taximeter owner taximeter_owner;
SQL
