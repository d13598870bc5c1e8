/**
 * One program in many places: the first provider that is configured serves, and it is known why: `npx tsx examples/providers/chain.ts`.
 *
 *     200 Hello developer!
 *     skipped  StaticToken  looked for TOKEN in the configuration, nothing is set
 *     chosen   Command      it gave a token
 *     200 Hello build 42!
 *     chosen     StaticToken  it is configured
 *     not asked  Command      StaticToken comes first and is configured
 */
import { ConfigProvider, Effect, Layer } from "effect"
import { AuthenticatedHttpClient, Chain, Command, Credentials, StaticToken } from "effect-credentials"
import { greet, greetings, run } from "../support/greetings.ts"
import { say } from "../support/terminal.ts"

const links = [StaticToken.fromConfig(), Command.make({ command: "echo", args: ["t0ken"] })] as const

await run(
  Effect.gen(function* () {
    const url = yield* greetings((token) => (token === "t0ken" ? "developer" : "build 42"))
    for (const environment of [{}, { TOKEN: "s3cret" }]) {
      const settings = ConfigProvider.fromMap(new Map(Object.entries(environment)))
      const chain = yield* Effect.withConfigProvider(Chain.firstConfigured(...links), settings)
      const Api = AuthenticatedHttpClient.layer({ origins: [url] }).pipe(Layer.provide(Credentials.layer(chain)))
      yield* Effect.provide(greet(url), Api)
      say(Chain.format(yield* chain.explain))
    }
  })
)
