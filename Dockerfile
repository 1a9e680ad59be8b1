# One image for every part: gateway, worker and the migration differ by their command alone.
FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Scripts are of no use here: nothing that is built needs what they make.
RUN npm ci --ignore-scripts
COPY . .
RUN node local/build.mjs

FROM node:24-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts

FROM node:24-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json package-lock.json LICENSE ./
# Nothing of ours writes to the disk: all state is in Redis and Postgres.
USER node
EXPOSE 8787 8788
# Node forwards no signals when it is a shell's child: keep the exec form, so that SIGTERM drains.
CMD ["node", "--enable-source-maps", "dist/gateway/main.js"]
