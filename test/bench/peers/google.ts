/** google-auth-library has no client credentials: a user's refresh token takes the same way, and shares a request that is under way. */
import { UserRefreshClient } from "google-auth-library"
import { client, type Peer } from "./Peer.ts"

export const peer: Peer = {
  name: "google-auth-library",
  connect: ({ ahead, fetch, tokenEndpoint }) => {
    const credentials = new UserRefreshClient({
      clientId: client.id,
      clientSecret: client.secret,
      refreshToken: "bench-refresh",
      endpoints: { oauth2TokenUrl: tokenEndpoint },
      eagerRefreshThresholdMillis: ahead,
      transporterOptions: { fetchImplementation: fetch }
    })
    return {
      header: async () => `Bearer ${(await credentials.getAccessToken()).token}`,
      client: {
        name: "gaxios",
        plain: async (url) => (await credentials.transporter.request({ url })).status,
        authenticated: async (url) => (await credentials.request({ url })).status
      }
    }
  }
}
