/**
 * Eight processes share one login whose refresh token works only once: `npx tsx examples/workers.ts`, or with WORKERS=3 and SECONDS=30 set.
 *
 * It starts a real authorization server and an API on this machine. Each worker calls the API all the time, tokens live 5 seconds, and whichever
 * worker comes first renews for all: the server sees as few token requests as from one process. Had it seen a refresh token twice, it would have
 * revoked the login, and every worker would fail.
 */
import { FetchHttpClient, HttpClient } from "@effect/platform"
import { Config, Effect, Layer, Schedule } from "effect"
import { AuthenticatedHttpClient, Credentials, Provider, RefreshToken, TokenStore } from "effect-credentials"
import { argv } from "node:process"
import { authorizationServer } from "./support/authorizationServer.ts"
import { temporaryDirectory } from "./support/directory.ts"
import { program } from "./support/programs.ts"
import { protectedApi } from "./support/protectedApi.ts"
import { say, seconds, summary } from "./support/terminal.ts"

const workers = Config.withDefault(Config.integer("WORKERS"), 8)
const duration = Config.map(Config.withDefault(Config.integer("SECONDS"), 12), (seconds) => seconds * 1000)

/** The API's client. All workers are configured alike, with a refresh token that only the first of them spends. */
const Api = Layer.unwrapEffect(
  Effect.gen(function* () {
    const { origin } = yield* Config.url("API_URL")
    const provider = Provider.persisted(yield* RefreshToken.fromConfig())
    return Layer.provide(AuthenticatedHttpClient.layer({ origins: [origin] }), Credentials.layer(provider))
  })
).pipe(Layer.provide(TokenStore.layerFile()), Layer.provide(FetchHttpClient.layer))

const worker = Effect.gen(function* () {
  const api = yield* Config.url("API_URL")
  const client = HttpClient.filterStatusOk(yield* AuthenticatedHttpClient.AuthenticatedHttpClient)
  const call = Effect.flatMap(client.get(api), (response) => response.text)
  yield* Effect.repeat(call, Schedule.upTo(Schedule.spaced("100 millis"), yield* duration))
}).pipe(Effect.provide(Api))

const fleet = Effect.gen(function* () {
  const client = { client_id: "workers", token_endpoint_auth_method: "none", redirect_uris: [], response_types: [] }
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
    EFFECT_CREDENTIALS_STORE: yield* temporaryDirectory
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
