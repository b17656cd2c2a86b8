import { defineConfig } from "vite";

// The server hands out index.html at /<signal>/ and everything else at /assets/<file>,
// so the page refers to its assets by absolute path and to its media by relative URL.
export default defineConfig({
  base: "/",
  build: {
    outDir: "dist",
    assetsDir: "assets",
    target: "es2022",
    // hls.js is one indivisible library of about this size.
    chunkSizeWarningLimit: 800,
  },
});
