/** A program that may do nothing but what it was allowed, and prints what came of wanting more. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Provider from "../../../src/Provider.ts"
import * as ClientCredentials from "../../../src/providers/ClientCredentials.ts"
import * as Command from "../../../src/providers/Command.ts"
import * as TokenStore from "../../../src/TokenStore.ts"

const need: Provider.Need = { previous: Option.none(), validFor: Duration.zero, interaction: "forbidden" }
const listed = Effect.flatMap(TokenStore.TokenStore, (store) => store.list)
const stored = Effect.flatMap(TokenStore.TokenStore, (store) => store.transaction("me", () => Effect.succeedNone))
const network = ClientCredentials.make({
  tokenEndpoint: "http://127.0.0.1:49999/token",
  clientId: "me",
  clientSecret: "s3cret"
})

const wishes: Readonly<Record<string, Effect.Effect<unknown, unknown, NodeContext.NodeContext>>> = {
  environment: Effect.provide(listed, TokenStore.layerFile()),
  read: Effect.provide(listed, TokenStore.layerFile({ directory: process.cwd() })),
  write: Effect.provide(stored, TokenStore.layerFile({ directory: process.cwd() })),
  network: Effect.provide(network.acquire(need), FetchHttpClient.layer),
  program: Command.make({ command: "/bin/echo", args: ["t0ken"] }).acquire(need)
}

const told = Effect.forEach(Object.entries(wishes), ([name, wish]) =>
  Effect.match(Effect.sandbox(wish), {
    onSuccess: () => `${name}: allowed`,
    onFailure: (cause) =>
      `${name}: ${cause._tag === "Fail" && cause.error instanceof Error ? `${cause.error.name}: ${cause.error.message}` : `${cause._tag}: ${cause}`}`
  })
)

void Effect.runPromise(Effect.provide(told, NodeContext.layer)).then((lines) => {
  console.log(lines.join("\n"))
  process.exit()
})
