/**
 * A token that a program prints, as gcloud, az and gh do: `npx tsx examples/providers/command.ts`.
 *
 *     200 Hello ada!
 *     Command: gcluod was not found: see https://cloud.google.com/sdk
 */
import { Effect, Layer } from "effect"
import { AuthenticatedHttpClient, Command } from "effect-credentials"
import { greet, greetings, run } from "../support/greetings.ts"

await run(
  Effect.gen(function* () {
    const url = yield* greetings((token) => (token === "t0ken" ? "ada" : undefined))
    const api = AuthenticatedHttpClient.layer({ origins: [url] })
    const credentials = (command: string, ...args: ReadonlyArray<string>) =>
      Command.layer(
        { command, args, installHint: "see https://cloud.google.com/sdk" },
        { defaultLifetime: "5 minutes" }
      )

    // With gcloud: credentials("gcloud", "auth", "print-access-token").
    yield* greet(url).pipe(Effect.provide(Layer.provide(api, credentials("echo", "t0ken"))))
    yield* greet(url).pipe(Effect.provide(Layer.provide(api, credentials("gcluod", "auth", "print-access-token"))))
  })
)
