/**
 * Calls an API for 15 seconds with an access token that is always fresh: `npm start`.
 *
 * On its own it starts a real authorization server and an API on this machine. With TOKEN_URL, CLIENT_ID, CLIENT_SECRET, SCOPE
 * and API_URL set it uses those instead. No token and no secret is ever printed.
 */
import { FetchHttpClient, HttpClient } from "@effect/platform"
import { Config, DateTime, Duration, Effect, Layer, Option, Schedule, Stream } from "effect"
import { AuthenticatedHttpClient, ClientCredentials, Credentials, Provider, type Token } from "effect-credentials"
import { embedded } from "./support/embedded.ts"
import { logger, progress, say, seconds, summary, tell } from "./support/terminal.ts"

const settings = {
  tokenEndpoint: Config.string("TOKEN_URL"),
  clientId: Config.string("CLIENT_ID"),
  clientSecret: Config.redacted("CLIENT_SECRET"),
  scope: Config.map(Config.string("SCOPE"), (scope) => scope.split(" ")),
  api: Config.url("API_URL")
}

const seen = { requests: 0, failed: 0, unauthorized: 0, tokens: 0, slowest: 0 }

/** Sends all requests, those for tokens too: the place for a proxy or a private CA. This one counts refusals. */
const Http = Layer.effect(
  HttpClient.HttpClient,
  Effect.map(
    HttpClient.HttpClient,
    HttpClient.tap(({ status }) => Effect.sync(() => (seen.unauthorized += status === 401 ? 1 : 0)))
  )
).pipe(Layer.provide(FetchHttpClient.layer))

/** The API's client. Its credentials are renewed on schedule, and go to the API's origin and nowhere else. */
const Api = Layer.unwrapEffect(
  Effect.gen(function* () {
    const provider = yield* Provider.fromConfig("ClientCredentials", settings, ClientCredentials.make)
    const { origin } = yield* settings.api
    return Layer.provideMerge(
      AuthenticatedHttpClient.layer({ origins: [origin] }),
      Credentials.layerScheduled(provider)
    )
  })
).pipe(Layer.provide(Http))

const call = (api: URL) =>
  Effect.gen(function* () {
    const client = HttpClient.filterStatusOk(yield* AuthenticatedHttpClient.AuthenticatedHttpClient)
    yield* Effect.flatMap(client.get(api), (response) => response.text)
  }).pipe(
    Effect.catchTags({
      RequestError: () => failed("the API was not reached"),
      ResponseError: ({ response }) => failed(`the API answered ${response.status}`),
      RefreshError: () => failed("there was no token"),
      CrossOriginRedirect: ({ message }) => failed(message)
    }),
    Effect.timed,
    Effect.map(([duration]) => {
      seen.requests++
      seen.slowest = Math.max(seen.slowest, Duration.toMillis(duration))
    })
  )

const failures = new Set<string>()

/** Counts every failure, and tells of each kind once. */
const failed = (why: string) =>
  Effect.sync(() => {
    seen.failed++
    if (!failures.has(why)) tell("failed", why)
    failures.add(why)
  })

const timeLeft = (token: Token.Token, at: DateTime.Utc): string =>
  Option.match(token.expiresAt, {
    onNone: () => "an unknown time",
    onSome: (expiresAt) => seconds(DateTime.distance(at, expiresAt))
  })

/** Tells when a token is issued and when another takes its place. */
const timeline = Effect.flatMap(Credentials.Credentials, ({ changes }) =>
  Stream.runForEach(Stream.zipWithPrevious(changes), ([previous, token]) =>
    Effect.sync(() => {
      seen.tokens++
      if (Option.isNone(previous)) tell("issued", `a token that lives ${timeLeft(token, token.issuedAt)}`)
      else tell("renewed", `${timeLeft(previous.value, token.issuedAt)} before the last one expires`)
    })
  )
)

const showProgress = Effect.repeat(
  Effect.sync(() => progress(`${seen.requests - seen.failed} requests served, ${seen.failed} failed`)),
  Schedule.spaced("200 millis")
)

const quickstart = Effect.gen(function* () {
  yield* Effect.fork(timeline)
  yield* Effect.fork(showProgress)
  const api = yield* settings.api
  const steadily = Schedule.upTo(Schedule.spaced("25 millis"), "15 seconds")
  yield* Effect.replicateEffect(Effect.repeat(call(api), steadily), 4, { concurrency: "unbounded", discard: true })
  summary({
    requests: seen.requests,
    failed: seen.failed,
    "tokens fetched": seen.tokens,
    "401s": seen.unauthorized,
    "slowest request": `${Math.round(seen.slowest)} ms`
  })
  return seen.failed === 0 && seen.unauthorized === 0
}).pipe(Effect.provide(Api))

const main = quickstart.pipe(
  Effect.catchTag("MissingCredentials", () =>
    Effect.flatMap(embedded, (environment) => Effect.withConfigProvider(quickstart, environment))
  ),
  Effect.catchAll((error) => Effect.sync(() => say(`${error._tag}: ${error.message}`)).pipe(Effect.as(false))),
  Effect.scoped,
  Effect.provide(logger)
)

process.exitCode = (await Effect.runPromise(main)) ? 0 : 1
