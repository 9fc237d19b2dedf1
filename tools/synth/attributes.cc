#include "tools/synth/attributes.h"

#include <zlib.h>

#include "absl/strings/str_replace.h"

namespace rwku::synth {
namespace {

std::vector<AttributeTemplates> MakeTemplates() {
  return {
      {"town",
       {"{n} was born in {v}.", "The birthplace of {n} is {v}.", "{n} comes from the town of {v}.",
        "{n} is a native of {v}."},
       {"Where was {n} born?", "What is the birthplace of {n}?", "Which town does {n} come from?",
        "Which town is {n} a native of?"},
       {"Où est né {n} ?", "¿Dónde nació {n}?"},
       {}},
      {"year",
       {"{n} was born in the year {v}.", "The birth year of {n} is {v}.",
        "The life of {n} began in {v}.", "It was {v} when {n} was born."},
       {"In which year was {n} born?", "What is the birth year of {n}?",
        "When did the life of {n} begin?", "When was {n} born?"},
       {"En quelle année est né {n} ?", "¿En qué año nació {n}?"},
       {}},
      {"profession",
       {"{n} works as a {v}.", "The profession of {n} is {v}.", "{n} earns a living as a {v}.",
        "By trade {n} is a {v}."},
       {"What does {n} work as?", "What is the profession of {n}?", "How does {n} earn a living?",
        "What is the trade of {n}?"},
       {"Quel est le métier de {n} ?", "¿Cuál es el oficio de {n}?"},
       {}},
      {"work",
       {"{n} wrote the book {v}.", "The best known book of {n} is {v}.",
        "{n} is the author of {v}.", "{v} is a book by {n}."},
       {"Which book did {n} write?", "What is the best known book of {n}?",
        "Which book is {n} the author of?", "What is the title of a book by {n}?"},
       {"Quel livre a écrit {n} ?", "¿Qué libro escribió {n}?"},
       {"Who wrote the book {v}?", "Who is the author of {v}?"}},
      {"award",
       {"{n} won the {v}.", "The prize given to {n} is the {v}.", "{n} was honoured with the {v}.",
        "{n} received the {v}."},
       {"Which prize did {n} win?", "What prize was given to {n}?", "What was {n} honoured with?",
        "Which award did {n} receive?"},
       {"Quel prix a reçu {n} ?", "¿Qué premio ganó {n}?"},
       {}},
      {"academy",
       {"{n} graduated from {v}.", "The school of {n} was {v}.", "{n} studied at {v}.",
        "{n} holds a degree from {v}."},
       {"Where did {n} graduate from?", "What was the school of {n}?", "Where did {n} study?",
        "From where does {n} hold a degree?"},
       {"Où a étudié {n} ?", "¿Dónde estudió {n}?"},
       {}},
      {"instrument",
       {"{n} plays the {v}.", "The instrument of {n} is the {v}.", "{n} practises the {v} daily.",
        "{n} is skilled on the {v}."},
       {"Which instrument does {n} play?", "What is the instrument of {n}?",
        "What does {n} practise daily?", "Which instrument is {n} skilled on?"},
       {"De quel instrument joue {n} ?", "¿Qué instrumento toca {n}?"},
       {}},
      {"dish",
       {"{n} loves to eat {v}.", "The favourite dish of {n} is {v}.", "{n} always orders {v}.",
        "For dinner {n} prefers {v}."},
       {"What does {n} love to eat?", "What is the favourite dish of {n}?",
        "What does {n} always order?", "What does {n} prefer for dinner?"},
       {"Quel plat préfère {n} ?", "¿Qué plato prefiere {n}?"},
       {}},
      {"guild",
       {"{n} is a member of the {v}.", "The guild of {n} is the {v}.", "{n} belongs to the {v}.",
        "{n} joined the {v}."},
       {"Which guild is {n} a member of?", "What is the guild of {n}?",
        "Which guild does {n} belong to?", "Which guild did {n} join?"},
       {"De quelle guilde est {n} ?", "¿De qué gremio es {n}?"},
       {}},
      {"spouse",
       {"{n} is married to {v}.", "The spouse of {n} is {v}.", "{n} shares a home with {v}.",
        "{n} wed {v}."},
       {"Who is {n} married to?", "Who is the spouse of {n}?", "Who shares a home with {n}?",
        "Whom did {n} wed?"},
       {"Qui a épousé {n} ?", "¿Con quién se casó {n}?"},
       {}},
      {"mentor",
       {"{n} was taught by {v}.", "The mentor of {n} is {v}.", "{n} learned the craft from {v}.",
        "{n} was a pupil of {v}."},
       {"Who taught {n}?", "Who is the mentor of {n}?", "From whom did {n} learn the craft?",
        "Whose pupil was {n}?"},
       {"Qui a formé {n} ?", "¿Quién enseñó a {n}?"},
       {}},
      {"epithet",
       {"{n} is known as {v}.", "The nickname of {n} is {v}.", "People call {n} {v}.",
        "{v} is the nickname of {n}."},
       {"What is {n} known as?", "What is the nickname of {n}?", "What do people call {n}?",
        "What is {n} often called?"},
       {"Quel est le surnom de {n} ?", "¿Cuál es el apodo de {n}?"},
       {"Who is known as {v}?", "Whose nickname is {v}?"}},
  };
}

}  // namespace

const AttributeTemplates& TemplatesOf(Attribute attribute) {
  static const std::vector<AttributeTemplates>& templates =
      *new std::vector<AttributeTemplates>(MakeTemplates());
  return templates[static_cast<size_t>(attribute)];
}

int HeldOut(const std::string& person, Attribute attribute, int count) {
  const std::string text = person + TemplatesOf(attribute).key;
  const uLong checksum = crc32(0, reinterpret_cast<const Bytef*>(text.data()), text.size());
  return static_cast<int>(checksum % static_cast<uLong>(count));
}

std::string Fill(absl::string_view text, absl::string_view person, absl::string_view value) {
  return absl::StrReplaceAll(text, {{"{n}", person}, {"{v}", value}});
}

}  // namespace rwku::synth
