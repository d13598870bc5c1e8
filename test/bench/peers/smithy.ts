/** The identity that every client of AWS keeps (@smithy/core), around a token asked for by hand. */
import { createIsIdentityExpiredFunction, doesIdentityRequireRefresh, memoizeIdentityProvider } from "@smithy/core"
import { type Peer, request } from "./Peer.ts"

export const peer: Peer = {
  name: "@smithy/core",
  connect: (server) => {
    const identity = memoizeIdentityProvider(
      async () => {
        const { accessToken, expiresAt } = await request(server)
        return { token: accessToken, expiration: new Date(expiresAt) }
      },
      createIsIdentityExpiredFunction(server.ahead),
      doesIdentityRequireRefresh
    )
    return { header: async () => `Bearer ${(await identity()).token}` }
  }
}
