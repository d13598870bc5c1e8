/**
 * Finds the credentials that this machine has for Google and asks for storage buckets: `npx tsx examples/vendors/google.ts`. Without GOOGLE_CLOUD_PROJECT the credentials are a person's and the servers a
 * stand-in on this machine.
 */
import { FetchHttpClient } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { Config, Effect, Layer, Option, type Scope } from "effect"
import { AuthenticatedHttpClient, Chain, Credentials } from "effect-credentials"
import * as Google from "effect-credentials/Google"
import { meantFor, standIn } from "../support/standIn.ts"
import { google } from "../support/standIns/google.ts"
import { say } from "../support/terminal.ts"

const buckets = (api: string, project: string) =>
  Effect.gen(function* () {
    const client = yield* AuthenticatedHttpClient.AuthenticatedHttpClient
    const response = yield* client.get(`${api}/storage/v1/b?project=${project}`)
    say(`Status ${response.status}, with the token of ${(yield* Credentials.Credentials).name}`)
  })

const real = (project: string) =>
  Effect.gen(function* () {
    const api = "https://storage.googleapis.com"
    const provider = yield* Google.applicationDefault({ quotaProject: project })
    say(Chain.format(yield* provider.explain))
    const Api = Layer.provideMerge(AuthenticatedHttpClient.layer({ origins: [api] }), Google.layer(provider))
    yield* Effect.provide(buckets(api, project), Api)
  })

/** What is meant for Google goes to the stand-in. */
const rerouted =
  (url: string): typeof fetch =>
  async (input, init) => {
    const meant = new URL(input instanceof Request ? input.url : input)
    if (meant.origin === url) return fetch(input, init)
    const headers = new Headers(init?.headers)
    headers.set(meantFor, meant.origin)
    const response = await fetch(url + meant.pathname + meant.search, { ...init, headers })
    return Object.defineProperty(response, "url", { value: meant.href })
  }

const embedded = Effect.gen(function* () {
  const url = yield* standIn(google())
  const info = { type: "authorized_user", refresh_token: "r3fresh", client_id: "me", client_secret: "s3cret" }
  const provider = yield* Google.load(info, { quotaProject: "my-project", scopes: ["a"] })
  const Api = Layer.provideMerge(AuthenticatedHttpClient.layer({ origins: [url] }), Google.layer(provider))
  yield* buckets(url, "my-project").pipe(
    Effect.provide(Api),
    Effect.provide(Layer.provide(FetchHttpClient.layer, Layer.succeed(FetchHttpClient.Fetch, rerouted(url))))
  )
})

const project = await Effect.runPromise(Config.option(Config.string("GOOGLE_CLOUD_PROJECT")))
const program: Effect.Effect<void, unknown, Google.Platform | Scope.Scope> = Option.isSome(project)
  ? real(project.value)
  : embedded
await Effect.runPromise(Effect.provide(Effect.scoped(program), Layer.merge(FetchHttpClient.layer, NodeContext.layer)))
