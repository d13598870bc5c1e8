/** An API that greets whoever it knows, and a program that lets it greet. */
import { FetchHttpClient, type HttpClient } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { Effect, Layer, Logger, type Scope } from "effect"
import { AuthenticatedHttpClient } from "effect-credentials"
import { listen } from "./listen.ts"
import { say } from "./terminal.ts"

/** Starts the API, which runs until the scope closes, and says where. It is told what came in `Authorization` after its first word, or else in `X-Api-Key`. */
export const greetings = (
  knows: (credential: string) => string | undefined | Promise<string | undefined>
): Effect.Effect<string, never, Scope.Scope> =>
  listen(async ({ headers }, response) => {
    const credential = headers.authorization?.replace(/^\S+ /, "") ?? headers["x-api-key"] ?? ""
    const name = await knows(String(credential))
    response.writeHead(name === undefined ? 401 : 200).end(name === undefined ? "Who are you?" : `Hello ${name}!`)
  })

/** Calls an API with the authenticated client, and shows what it answers. */
export const greet = (url: string) =>
  Effect.gen(function* () {
    const client = yield* AuthenticatedHttpClient.AuthenticatedHttpClient
    const response = yield* client.get(url)
    say(`${response.status} ${yield* response.text}`)
  })

/** Runs an example with an HttpClient, files and programs. What goes wrong is shown, once: not in the log too. */
export const run = <E extends { readonly message: string }>(
  example: Effect.Effect<void, E, Scope.Scope | HttpClient.HttpClient | NodeContext.NodeContext>
): Promise<void> =>
  example.pipe(
    Effect.catchAll((error) => Effect.sync(() => say(error.message))),
    Effect.scoped,
    Effect.provide(Layer.mergeAll(FetchHttpClient.layer, NodeContext.layer, Logger.remove(Logger.defaultLogger))),
    Effect.runPromise
  )
