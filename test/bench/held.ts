/** Credentials that hold a token of 700 characters for an hour. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Credentials from "../../src/Credentials.ts"
import * as Provider from "../../src/Provider.ts"
import * as Token from "../../src/Token.ts"

/** In milliseconds. */
export const anHour = 3_600_000

export const token: Token.Token = Token.make({
  accessToken: Redacted.make("t".repeat(700)),
  issuedAt: DateTime.unsafeNow(),
  expiresAt: Option.some(DateTime.unsafeMake(Date.now() + anHour))
})

const provider = Provider.make({ name: "Held", acquire: () => Effect.succeed(token) })

export const held: Credentials.Credentials = await Effect.runPromise(
  Credentials.make(provider).pipe(
    Effect.tap(({ token }) => token),
    Scope.extend(Effect.runSync(Scope.make()))
  )
)
