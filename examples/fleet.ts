/**
 * Four workers, as if on four machines, share one login through Redis: `npx tsx examples/fleet.ts`, or with WORKERS=8, SECONDS=30 or REDIS_URL set.
 *
 * It starts a real authorization server, an API and a Redis on this machine, unless REDIS_URL names one; without either it says what is missing. Each worker
 * calls the API all the time. Access tokens live 5 seconds, refresh tokens work once: whichever worker comes first renews, and the others have the new
 * token at once.
 */
import { FetchHttpClient, HttpClient } from "@effect/platform"
import { Config, Effect, Layer, Option, Schedule } from "effect"
import { AuthenticatedHttpClient, Credentials, Provider, RefreshToken } from "effect-credentials"
import * as Redis from "effect-credentials/Redis"
import { argv } from "node:process"
import { authorizationServer } from "./support/authorizationServer.ts"
import { program } from "./support/programs.ts"
import { protectedApi } from "./support/protectedApi.ts"
import { redisServer } from "./support/redisServer.ts"
import { say, seconds, summary } from "./support/terminal.ts"

const workers = Config.withDefault(Config.integer("WORKERS"), 4)
const duration = Config.map(Config.withDefault(Config.integer("SECONDS"), 12), (seconds) => seconds * 1000)

const Store = Layer.unwrapEffect(
  Effect.map(Config.redacted("REDIS_URL"), (url) => Redis.layer({ url, prefix: "fleet" }))
)

/** The API's client. All workers are configured alike, with a refresh token that only the first of them spends. */
const Api = Layer.unwrapEffect(
  Effect.gen(function* () {
    const { origin } = yield* Config.url("API_URL")
    const provider = Provider.persisted(yield* RefreshToken.fromConfig())
    return Layer.provide(AuthenticatedHttpClient.layer({ origins: [origin] }), Credentials.layer(provider))
  })
).pipe(Layer.provide(Store), Layer.provide(FetchHttpClient.layer))

const worker = Effect.gen(function* () {
  const api = yield* Config.url("API_URL")
  const client = HttpClient.filterStatusOk(yield* AuthenticatedHttpClient.AuthenticatedHttpClient)
  const call = Effect.flatMap(client.get(api), (response) => response.text)
  yield* Effect.repeat(call, Schedule.upTo(Schedule.spaced("100 millis"), yield* duration))
}).pipe(Effect.provide(Api))

const fleet = Effect.gen(function* () {
  const given = yield* Config.option(Config.string("REDIS_URL"))
  const redis = Option.isSome(given) ? given : yield* redisServer
  if (Option.isNone(redis)) {
    say("There is no redis-server on this machine: install it (apt install redis-server), or set REDIS_URL.")
    return true
  }
  const client = { client_id: "fleet", token_endpoint_auth_method: "none", redirect_uris: [], response_types: [] }
  const server = yield* authorizationServer({
    clients: [{ ...client, grant_types: ["refresh_token"] }],
    accessTokenSeconds: 5
  })
  const api = yield* protectedApi(server.accepts)
  const environment = {
    TOKEN_URL: server.tokenEndpoint,
    CLIENT_ID: client.client_id,
    REFRESH_TOKEN: yield* Effect.promise(() => server.issueRefreshToken(client.client_id, "openid offline_access")),
    API_URL: api.url,
    REDIS_URL: redis.value
  }
  const count = yield* workers
  say(`${count} workers call an API for ${seconds(yield* duration)}; access tokens live 5 s, refresh tokens work once.`)
  const codes = yield* Effect.forEach(
    Array.from({ length: count }, (_, at) => at + 1),
    (nth) => program(["work"], environment, (line) => say(`worker ${nth}: ${line}`)),
    { concurrency: "unbounded" }
  )
  const failed = codes.filter((code) => code !== 0).length
  summary({
    workers: count,
    failed,
    "API requests": api.requests(),
    "401s": api.unauthorized(),
    "token requests": server.tokenRequests()
  })
  return failed === 0 && api.unauthorized() === 0
}).pipe(Effect.scoped)

await (argv[2] === "work" ? Effect.as(worker, true) : fleet).pipe(
  Effect.catchAll((error) => Effect.sync(() => say(`${error._tag}: ${error.message}`)).pipe(Effect.as(false))),
  Effect.map((isFine) => (process.exitCode = isFine ? 0 : 1)),
  Effect.runPromise
)
