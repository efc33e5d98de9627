import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync, constants } from 'node:zlib';
import react from '@vitejs/plugin-react';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

/** Writes X.gz beside every text asset, so that the server compresses nothing while it serves. */
function precompress(): Plugin {
  let out = '';
  return {
    name: 'probity-precompress',
    apply: 'build',
    configResolved(config) {
      out = path.resolve(config.root, config.build.outDir);
    },
    closeBundle() {
      for (const entry of readdirSync(path.join(out, 'assets'))) {
        if (!/\.(js|css|svg)$/.test(entry)) continue;
        const file = path.join(out, 'assets', entry);
        const body = readFileSync(file);
        if (body.length < 512) continue;
        writeFileSync(`${file}.gz`, gzipSync(body, { level: constants.Z_BEST_COMPRESSION }));
      }
    },
  };
}

export default defineConfig({
  plugins: [react(), precompress()],
  resolve: { alias: { '~': path.resolve(import.meta.dirname ?? '.', 'src') } },
  build: {
    target: 'es2022',
    sourcemap: false,
    // Inlined data: fonts would need font-src data: in the content security policy.
    assetsInlineLimit: 0,
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [
            { name: 'react', test: /node_modules[\\/](react|react-dom|scheduler)[\\/]/, priority: 20 },
            { name: 'tanstack', test: /node_modules[\\/]@tanstack[\\/](react-query|query-core|react-router|router-core|history|store|react-store)[\\/]/, priority: 15 },
          ],
        },
      },
    },
  },
  server: {
    proxy: { '/api': { target: process.env['PROBITY_URL'] ?? 'http://127.0.0.1:8780', changeOrigin: false } },
  },
  test: {
    environment: 'happy-dom',
    include: ['src/**/*.test.{ts,tsx}'],
    setupFiles: ['src/test/setup.ts'],
    restoreMocks: true,
  },
});
