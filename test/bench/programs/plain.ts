/** Effect and the platform's HttpClient, as any app has them: one call, with a token that somebody else has obtained. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"

const origin = process.argv[2]!

const program = Effect.gen(function* () {
  const api = yield* HttpClient.HttpClient
  const response = yield* api.get(`${origin}/me`, { headers: { authorization: `Bearer ${Number.MAX_SAFE_INTEGER}` } })
  console.log(response.status, yield* response.text)
})
void Effect.runPromise(Effect.provide(program, FetchHttpClient.layer))
