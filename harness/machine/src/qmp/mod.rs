//! QMP: qapi's types over a transport of our own.
//!
//! qapi's stock stream ends at the first event that it does not know, and sends one command at a time. This one gives
//! every command an id, takes answers in any order, and hands events on as they are.

mod decode;

use decode::{Decoder, Message};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};

/// Longest wait for an answer on the host. QEMU answers within milliseconds; long work runs as jobs with events.
const PATIENCE: Duration = Duration::from_secs(10);

/// Events that may wait to be read. More, and nothing is read from QEMU until some have been.
const MOST_EVENTS: usize = 1024;

/// Name given to a line that is no message of QMP, so that it shows up among the events.
const NOT_QMP: &str = "not-qmp";

/// A command came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum QmpError {
    /// The connection is closed: QEMU has ended.
    #[error("failed to run the monitor command {command}: QEMU has closed the connection")]
    Closed {
        /// The command.
        command: String,
    },
    /// QEMU refused the command.
    #[error("failed to run the monitor command {command}: {description} ({class})")]
    Refused {
        /// The command.
        command: String,
        /// QEMU's error class.
        class: String,
        /// QEMU's words.
        description: String,
    },
    /// The answer is not of the expected type.
    #[error("failed to understand the answer to the monitor command {command}: {source}")]
    Answer {
        /// The command.
        command: String,
        /// What does not fit.
        source: serde_json::Error,
    },
    /// No answer in time.
    #[error("failed to run the monitor command {command}: no answer within {} s", PATIENCE.as_secs())]
    NoAnswer {
        /// The command.
        command: String,
    },
    /// The connection did not begin as QMP does.
    #[error("failed to greet QEMU's monitor: {0}")]
    Greeting(String),
}

/// Something that QEMU reports by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct QmpEvent {
    /// Name, as sent.
    pub name: String,
    /// Data, as sent; null if there is none.
    pub data: Value,
}

type Answer = Result<Value, (String, String)>;
/// Who waits for which answer; `None` once no answer will come.
type Waiting = Arc<Mutex<Option<HashMap<u64, oneshot::Sender<Answer>>>>>;

/// A connection to QEMU's monitor. Clones share it.
#[derive(Clone)]
pub struct Qmp {
    waiting: Waiting,
    outgoing: mpsc::UnboundedSender<Vec<u8>>,
    next_id: Arc<AtomicU64>,
}

impl Qmp {
    /// Reads the greeting, leaves negotiation mode, and starts the tasks that serve the connection on the current
    /// runtime. Also returns the events; somebody has to read them.
    pub async fn connect<S>(stream: S) -> Result<(Self, mpsc::Receiver<QmpEvent>), QmpError>
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let mut decoder = Decoder::default();
        match read_message(&mut reader, &mut decoder).await {
            Ok(Some(Message::Greeting)) => {}
            Ok(None) => return Err(QmpError::Greeting("it has closed the connection".into())),
            Ok(Some(other)) => return Err(QmpError::Greeting(format!("it began with {other:?}"))),
            Err(error) => return Err(QmpError::Greeting(error.to_string())),
        }

        let waiting: Waiting = Arc::new(Mutex::new(Some(HashMap::new())));
        let (outgoing, mut commands) = mpsc::unbounded_channel::<Vec<u8>>();
        let (event_sender, events) = mpsc::channel(MOST_EVENTS);
        let answers = Arc::clone(&waiting);
        tokio::spawn(async move {
            serve(&mut reader, &mut decoder, &answers, &event_sender).await;
            // Senders are dropped here, which tells everybody who waits; nobody can join them any more.
            lock(&answers).take();
        });
        tokio::spawn(async move {
            while let Some(command) = commands.recv().await {
                // A closed connection is noticed, and told, by the reader.
                if writer.write_all(&command).await.is_err() {
                    return;
                }
            }
        });
        let qmp = Self { waiting, outgoing, next_id: Arc::default() };
        qmp.exec(qapi::qmp::qmp_capabilities { enable: None }).await?;
        Ok((qmp, events))
    }

    /// Runs a command that qapi knows.
    pub async fn exec<C: qapi::Command>(&self, command: C) -> Result<C::Ok, QmpError> {
        let arguments = serde_json::to_value(&command)
            .map_err(|source| QmpError::Answer { command: C::NAME.into(), source })?;
        let answer = self.raw(C::NAME, arguments).await?;
        serde_json::from_value(answer).map_err(|source| QmpError::Answer { command: C::NAME.into(), source })
    }

    /// Runs any command. Several may run at once.
    pub async fn raw(&self, name: &str, arguments: Value) -> Result<Value, QmpError> {
        self.begin(name, arguments)?.await
    }

    /// Sends any command; what is returned waits for the answer.
    pub(crate) fn begin(
        &self,
        name: &str,
        arguments: Value,
    ) -> Result<impl Future<Output = Result<Value, QmpError>> + use<>, QmpError> {
        let name = name.to_owned();
        let closed = |name: &str| QmpError::Closed { command: name.to_owned() };
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        lock(&self.waiting).as_mut().ok_or_else(|| closed(&name))?.insert(id, sender);
        let mut command = json!({ "execute": name, "id": id });
        if !arguments.is_null() {
            command["arguments"] = arguments;
        }
        let mut line = command.to_string().into_bytes();
        line.push(b'\n');
        self.outgoing.send(line).map_err(|_| closed(&name))?;
        let waiting = Arc::clone(&self.waiting);
        Ok(async move {
            match tokio::time::timeout(PATIENCE, answer).await {
                Ok(Ok(Ok(value))) => Ok(value),
                Ok(Ok(Err((class, description)))) => {
                    Err(QmpError::Refused { command: name, class, description })
                }
                Ok(Err(_)) => Err(closed(&name)),
                Err(_) => {
                    if let Some(waiting) = lock(&waiting).as_mut() {
                        waiting.remove(&id);
                    }
                    Err(QmpError::NoAnswer { command: name })
                }
            }
        })
    }
}

/// A panic elsewhere leaves the map as whole as ever.
fn lock(waiting: &Waiting) -> std::sync::MutexGuard<'_, Option<HashMap<u64, oneshot::Sender<Answer>>>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Hands on what arrives until the connection or the interest in events ends.
async fn serve<R: AsyncRead + Unpin>(
    reader: &mut R,
    decoder: &mut Decoder,
    waiting: &Waiting,
    events: &mpsc::Sender<QmpEvent>,
) {
    // An error is an end: a QEMU that quits may reset the connection.
    while let Ok(Some(message)) = read_message(reader, decoder).await {
        let event = match message {
            Message::Reply { id: Some(id), result } => {
                if let Some(sender) = lock(waiting).as_mut().and_then(|waiting| waiting.remove(&id)) {
                    // Whoever asked may have gone.
                    let _ = sender.send(result);
                }
                continue;
            }
            Message::Reply { id: None, result } => QmpEvent {
                name: NOT_QMP.into(),
                data: json!({ "why": "a reply without an id", "result": format!("{result:?}") }),
            },
            Message::Greeting => continue,
            Message::Event { name, data } => QmpEvent { name, data },
            Message::Junk { why, line } => {
                QmpEvent { name: NOT_QMP.into(), data: json!({ "why": why, "line": line }) }
            }
        };
        if events.send(event).await.is_err() {
            // Nobody reads events any more; replies still matter.
            continue;
        }
    }
}

/// The next message, or `None` at the end of the stream.
async fn read_message<R: AsyncRead + Unpin>(
    reader: &mut R,
    decoder: &mut Decoder,
) -> io::Result<Option<Message>> {
    let mut buffer = [0; 8192];
    loop {
        if let Some(message) = decoder.next() {
            return Ok(Some(message));
        }
        match reader.read(&mut buffer).await? {
            0 => return Ok(None),
            count => decoder.push(&buffer[..count]),
        }
    }
}

#[cfg(test)]
mod tests;
