# Recant from its sources: Node 24 runs the TypeScript as it is, and chains/*.ts, which may be mounted
# over, import the same sources. It needs RECANT_RPC_URL, since
# no Anvil is in the image, and RECANT_HOST and RECANT_API_KEYS to be reached from outside; see
# docker-compose.yml.

FROM node:24-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --no-audit --no-fund && npm cache clean --force

FROM node:24-slim
# For vectors on an object store: its client reads the system's certificates.
RUN apt-get update \
	&& apt-get install -y --no-install-recommends ca-certificates \
	&& rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY bin ./bin
COPY drizzle ./drizzle
COPY contracts/out ./contracts/out
COPY src ./src
COPY chains ./chains
# Vectors, and without DATABASE_URL the database too: both must outlive the container.
RUN mkdir /data && chown node:node /data
VOLUME /data
ENV NODE_ENV=production RECANT_DATA_DIR=/data
USER node
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
	CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.RECANT_PORT || 8080}/healthz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "bin/recant.js"]
CMD ["start"]
