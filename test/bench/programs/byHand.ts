/** What one writes by hand on Effect: a token that is kept until shortly before it expires, asked for by one fiber at a time and up to three times. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"

const origin = process.argv[2]!

const Answer = Schema.Struct({ access_token: Schema.Redacted(Schema.String), expires_in: Schema.Number })
const obtain = HttpClientRequest.post(`${origin}/token`).pipe(
  HttpClientRequest.basicAuth("me", Redacted.make("s3cret")),
  HttpClientRequest.bodyUrlParams({ grant_type: "client_credentials", scope: "read" }),
  HttpClient.execute,
  Effect.flatMap(HttpClientResponse.filterStatusOk),
  Effect.flatMap(HttpClientResponse.schemaBodyJson(Answer)),
  Effect.retry(Schedule.intersect(Schedule.jittered(Schedule.exponential("500 millis")), Schedule.recurs(2))),
  Effect.timeout("30 seconds")
)

const one = Effect.unsafeMakeSemaphore(1).withPermits(1)
let held: { readonly token: Redacted.Redacted; readonly until: DateTime.Utc } | undefined
const token = one(
  Effect.gen(function* () {
    const now = yield* DateTime.now
    if (held !== undefined && DateTime.lessThan(now, held.until)) return held.token
    const { access_token, expires_in } = yield* obtain
    held = { token: access_token, until: DateTime.add(now, { seconds: expires_in - 60 }) }
    return access_token
  })
)

const program = Effect.gen(function* () {
  const api = HttpClient.mapRequestEffect(yield* HttpClient.HttpClient, (request) =>
    Effect.map(token, (token) => HttpClientRequest.bearerToken(request, token))
  )
  const response = yield* api.get(`${origin}/me`)
  console.log(response.status, yield* response.text)
})
void Effect.runPromise(Effect.provide(program, FetchHttpClient.layer))
