/** Credentials made by hand, for tests of what puts them on requests: they count, and they renew when told to. */
import * as Chunk from "effect/Chunk"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Authorization from "../../src/Authorization.ts"
import type { Credentials } from "../../src/Credentials.ts"
import { RefreshError, type RefreshErrorReason } from "../../src/CredentialsError.ts"
import * as Token from "../../src/Token.ts"

export interface FakeCredentials extends Credentials {
  /** How often a token was asked for, and how often one was renewed (not: how often renewal was asked for). */
  readonly count: { token: number; renew: number; flights: number }
  /** What `token` and `renew` fail with from now on; undefined: they do not. */
  fails: { token?: RefreshErrorReason | undefined; renew?: RefreshErrorReason | undefined }
  /** A new token takes the place of the old one, as a renewal in the background does. */
  readonly rotate: () => void
}

export const tokenOf = (accessToken: string): Token.Token =>
  Token.make({ accessToken: Redacted.make(accessToken), issuedAt: DateTime.unsafeMake(0) })

/** Tokens are called `t1`, `t2` and so on. */
export const fakeCredentials = (
  options: {
    readonly authorization?: Authorization.Authorization
    readonly name?: string
    readonly prefix?: string
  } = {}
): FakeCredentials => {
  const name = options.name ?? "Fake"
  const next = () => tokenOf(`${options.prefix ?? "t"}${++n}`)
  let n = 0
  let token = next()
  const failing = (reason: RefreshErrorReason) => new RefreshError({ provider: name, reason })
  const self: FakeCredentials = {
    name,
    authorization: options.authorization ?? Authorization.bearer,
    count: { token: 0, renew: 0, flights: 0 },
    fails: {},
    rotate: () => void (token = next()),
    token: Effect.suspend(() => {
      self.count.token++
      return self.fails.token === undefined ? Effect.succeed(token) : failing(self.fails.token)
    }),
    tokenValidFor: () => self.token,
    renew: (seen) =>
      Effect.suspend(() => {
        self.count.renew++
        if (self.fails.renew !== undefined) return failing(self.fails.renew)
        if (Token.isSame(seen, token)) {
          self.count.flights++
          token = next()
        }
        return Effect.succeed(token)
      }),
    current: Effect.sync(() => Option.some(token)),
    changes: Stream.fromChunk(Chunk.empty()),
    events: Stream.empty,
    revoke: Effect.void,
    forget: Effect.void,
    maintain: Effect.succeed(Duration.infinity),
    status: Effect.die("nobody asks how these stand")
  }
  return self
}
