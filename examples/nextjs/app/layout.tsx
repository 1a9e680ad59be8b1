import type { ReactNode } from 'react';

export const metadata = { title: 'Minutes' };

export default function Layout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body
        style={{ font: '1rem/1.5 system-ui, sans-serif', maxWidth: '34rem', margin: '3rem auto' }}
      >
        {children}
      </body>
    </html>
  );
}
